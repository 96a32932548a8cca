# The fake provider over HTTP on port 8080.
ARG BASE_IMAGE=docker.io/library/node:26-bookworm-slim
FROM ${BASE_IMAGE}
COPY . /
USER 1000:1000
WORKDIR /app
CMD ["node", "/app/fakeprovider.mjs", "--host", "0.0.0.0", "--port", "8080"]

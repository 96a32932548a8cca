# What stands for a user's application: Node and the official OpenAI SDK. Built by scripts/cluster/images.sh, or with Docker for kind.
ARG BASE_IMAGE=docker.io/library/node:26-bookworm-slim
FROM ${BASE_IMAGE}
COPY . /
USER 1000:1000
WORKDIR /app
CMD ["node"]

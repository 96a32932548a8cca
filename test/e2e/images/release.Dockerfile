# The release before this one, from the bundles that were kept of it.
ARG BASE_IMAGE=docker.io/library/node:26-bookworm-slim
FROM ${BASE_IMAGE}
COPY . /
RUN ["node", "-e", "for (const name of ['sidecar', 'operator']) fs.symlinkSync(`/app/${name}.mjs`, `/usr/local/bin/${name}`)"]
USER 14100:14100

# One image, one file per command: `sidecar`, `operator` and `sidegate`.
#
#   docker build -t sidegate .
#   make image                  with buildah; scripts/base-image.sh makes a base where there is no registry
#
# BASE_IMAGE  has Node 26 as `node` on the PATH and coreutils' `env`; no shell is used at run time.
# BUNDLE      npm: install and bundle here (default) · dist: take the files that `make build` left in dist/
ARG BASE_IMAGE=docker.io/library/node:26-bookworm-slim
ARG BUNDLE=npm

FROM ${BASE_IMAGE} AS bundle-npm
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
RUN ["npm", "ci"]
COPY cmd ./cmd
COPY src ./src
RUN ["node", "cmd/build.ts"]

FROM scratch AS bundle-dist
COPY dist /build/dist

FROM bundle-${BUNDLE} AS bundle

FROM ${BASE_IMAGE}
LABEL org.opencontainers.image.title="sidegate" \
      org.opencontainers.image.description="Kubernetes operator and sidecar that governs LLM traffic" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY LICENSE /usr/share/doc/sidegate/LICENSE
COPY --from=bundle /build/dist/*.LEGAL.txt /usr/share/doc/sidegate/
COPY --from=bundle /build/dist/*.mjs /app/
# Each file carries its Node flags in its first line, so a command is a link to its file: no dispatcher, no shell, Node is PID 1.
# The compile cache belongs to the user below, because V8 keeps it apart by user, version and flags.
RUN ["node", "-e", "for (const name of ['sidecar', 'operator', 'sidegate']) fs.symlinkSync(`/app/${name}.mjs`, `/usr/local/bin/${name}`); fs.mkdirSync('/app/cache'); fs.chownSync('/app/cache', 14100, 14100)"]
ENV NODE_ENV=production \
    NODE_COMPILE_CACHE=/app/cache
# A number, so that runAsNonRoot can be checked; its own, so that no service mesh's rule for its proxy's user applies to it.
USER 14100:14100
RUN ["sidecar", "--help"]
RUN ["sidegate", "help"]
RUN ["operator", "--help"]
# The sidecar's proxy, its probes and metrics, its port for other pods; the operator's probes and metrics, its webhook. The root file system may be read-only.
EXPOSE 15100 15101 15102 8080 9443
ENTRYPOINT []
CMD ["sidegate", "help"]

# Debian's Redis and a busybox shell, laid out like the official image: user 999, data in /data.
FROM scratch
COPY . /
ENV PATH=/usr/local/bin:/bin
USER 999:999
WORKDIR /data
EXPOSE 6379
CMD ["redis-server", "--bind", "0.0.0.0", "--protected-mode", "no"]

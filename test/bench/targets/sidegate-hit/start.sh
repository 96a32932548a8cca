#!/bin/bash
exec "$(dirname "$0")/../sidegate/start.sh" "$@"

#!/bin/sh
# Runs a command with the settings of booking-bridge.service, which only root can read:
#   sudo sh command.sh doctor
#   sudo sh command.sh feeds list
# The values are read from the same files as in the unit. None is on the command line, where `ps` shows it.
set -eu

configuration=/etc/booking-bridge
program=/opt/booking-bridge/bin/booking-bridge

BRIDGE_RULES=$configuration/rules.yaml
BRIDGE_DATABASE_URL=sqlite:////var/lib/booking-bridge/bridge.db
export BRIDGE_RULES BRIDGE_DATABASE_URL

# Lines of NAME=value, as systemd takes them; read and not run, so that nothing in a value is a command.
while IFS='=' read -r name value || [ -n "$name" ]; do
    case $name in
        '' | '#'* | ';'*) continue ;;
    esac
    value=${value#[\"\']}
    export "$name=${value%[\"\']}"
done < "$configuration/environment"

for file in "$configuration"/secrets/*; do
    [ -f "$file" ] || continue
    name=$(basename "$file" | tr '[:lower:]' '[:upper:]')
    export "${name}_FILE=$file"
done

cd /   # where no .env lies
exec "$program" "$@"

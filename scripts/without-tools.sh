#!/usr/bin/env bash
# without-tools.sh TOOL… -- COMMAND…: runs a command on a machine that seems to lack these tools. So a test that calls a
# tool without asking whether it is there fails here, as it would on the machine of a new user. They are hidden by a PATH
# that is one folder of links to everything else and, for root, by a layer over /usr, so that sandboxes lack them, too.
# Example: scripts/without-tools.sh nft ip -- npm test -- packages/sandbox-host
set -euo pipefail

hidden=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do hidden+=("$1"); shift; done
if [ ${#hidden[@]} -eq 0 ] || [ $# -lt 2 ]; then
  echo 'usage: without-tools.sh TOOL… -- COMMAND…' >&2
  exit 2
fi
shift

# Not in /tmp, over which a host tries a mount of its own.
folder=$(mktemp -d -p /var/tmp)
trap 'rm -r "$folder"' EXIT
# What runs for other users reaches it, too.
chmod 755 "$folder"
links=$folder/links layer=$folder/layer
mkdir "$links" "$layer"

IFS=: read -ra places <<<"$PATH"
for place in "${places[@]}"; do
  [ -d "$place" ] || continue
  place=$(realpath "$place")
  # The first of a name is the one that would be found: later ones are not linked over it, and ln says so in vain.
  find "$place" -mindepth 1 -maxdepth 1 -exec ln -s -t "$links" {} + 2>/dev/null || true
  for tool in "${hidden[@]}"; do
    if [ "$(id -u)" = 0 ] && [[ $place == /usr/* ]] && [ -e "$place/$tool" ]; then
      # What says in a layer that a file of the one below is not there.
      mkdir -p "$layer${place#/usr}"
      [ -e "$layer${place#/usr}/$tool" ] || mknod "$layer${place#/usr}/$tool" c 0 0
    fi
  done
done
for tool in "${hidden[@]}"; do
  rm -f "$links/$tool"
done

# shellcheck disable=SC2016 # Expanded by the shell that it is for.
cover='mount -t overlay overlay -o "lowerdir=$0:/usr" /usr && exec "$@"'
enter=()
if unshare --mount sh -c "$cover" "$layer" true 2>/dev/null; then
  enter=("$(command -v unshare)" --mount sh -c "$cover" "$layer")
fi
status=0
PATH="$links" "${enter[@]}" "$@" || status=$?
exit "$status"

#!/bin/sh
# The default server listens on IPv6 as well, if there is IPv6 and nobody has changed its file.
set -e

conf=/etc/nginx/conf.d/default.conf
shipped=/usr/share/nginx/default.conf

say() {
    [ -n "${NGINX_ENTRYPOINT_QUIET_LOGS:-}" ] || echo "$(basename "$0"): $*"
}

if [ ! -f /proc/net/if_inet6 ]; then
    say "IPv6 is not available"
elif ! cmp -s "$conf" "$shipped"; then
    say "$conf is not the one of the image"
elif ! { true >> "$conf"; } 2>/dev/null; then
    say "$conf cannot be changed"
else
    changed=$(sed -E 's/^( *)listen +([0-9]+);/&\n\1listen [::]:\2;/' "$shipped")
    printf '%s\n' "$changed" > "$conf"
    say "$conf listens on IPv6"
fi

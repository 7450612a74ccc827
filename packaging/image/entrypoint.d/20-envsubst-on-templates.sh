#!/bin/sh
# Writes the configuration files that come from templates, with variables of the environment in them.
set -e

templates=${NGINX_ENVSUBST_TEMPLATE_DIR:-/etc/nginx/templates}
suffix=${NGINX_ENVSUBST_TEMPLATE_SUFFIX:-.template}
output=${NGINX_ENVSUBST_OUTPUT_DIR:-/etc/nginx/conf.d}
stream_suffix=${NGINX_ENVSUBST_STREAM_TEMPLATE_SUFFIX:-.stream-template}
stream_output=${NGINX_ENVSUBST_STREAM_OUTPUT_DIR:-/etc/nginx/stream-conf.d}
main=/etc/nginx/nginx.conf

say() {
    [ -n "${NGINX_ENTRYPOINT_QUIET_LOGS:-}" ] || echo "$(basename "$0"): $*"
}

# Only variables that exist are replaced: $host and the others of nginx stay.
variables=$(FILTER=${NGINX_ENVSUBST_FILTER:-} awk 'BEGIN {
    for (name in ENVIRON)
        if (name != "FILTER" && name ~ ENVIRON["FILTER"]) printf "${%s} ", name
}')

# expand SUFFIX DIRECTORY: every template with that suffix, into that directory.
expand() {
    if [ ! -w "$2" ]; then
        say "ERROR: there are templates in $templates, but $2 is not writable"
        return
    fi
    find "$templates" -follow -type f -name "*$1" | while IFS= read -r template; do
        name=${template#"$templates/"}
        file=$2/${name%"$1"}
        mkdir -p "$(dirname "$file")"
        say "writing $file from $template"
        envsubst "$variables" < "$template" > "$file"
    done
}

add_stream_block() {
    if grep -Eq '^[[:space:]]*stream[[:space:]]*\{' "$main"; then
        say "$main has a stream block, which must include $stream_output/*.conf"
    elif ! { true >> "$main"; } 2>/dev/null; then
        say "$main cannot be changed, $stream_output/*.conf is not included"
    else
        say "$main includes $stream_output/*.conf"
        printf 'stream {\n    include %s/*.conf;\n}\n' "$stream_output" >> "$main"
    fi
}

[ -d "$templates" ] || exit 0
expand "$suffix" "$output"
if [ -n "$(find "$templates" -follow -type f -name "*$stream_suffix" -print -quit)" ]; then
    mkdir -p "$stream_output" 2>/dev/null || :
    add_stream_block
    expand "$stream_suffix" "$stream_output"
fi

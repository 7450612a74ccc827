#!/bin/sh
# Prepares the configuration as nginx's images do, then runs the command.
#
# If the command is nginx (or pyngx), the files of /docker-entrypoint.d are processed in the order of
# their names: *.envsh is read into this shell, *.sh is run.  Files that cannot be executed are skipped.
set -e

say() {
    [ -n "${NGINX_ENTRYPOINT_QUIET_LOGS:-}" ] || echo "$0: $*"
}

prepare() {
    list=$(find /docker-entrypoint.d/ -follow -type f 2>/dev/null | sort -V)
    if [ -z "$list" ]; then
        say "/docker-entrypoint.d/ has no files, the configuration is used as it is"
        return
    fi
    # A here-document: in a pipeline, what *.envsh exports would be lost.
    while IFS= read -r file; do
        case $file in
            *.sh | *.envsh) ;;
            *) say "ignoring $file"; continue ;;
        esac
        if [ ! -x "$file" ]; then
            say "ignoring $file, it is not executable"
            continue
        fi
        case $file in
            *.envsh) say "reading $file"; . "$file" ;;
            *) say "running $file"; "$file" ;;
        esac
    done <<END
$list
END
    say "the configuration is ready"
}

case ${1:-} in
    nginx | nginx-debug | pyngx) prepare ;;
esac
exec "$@"

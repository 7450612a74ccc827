#!/bin/sh
# Starts as many workers as the container may use processors, by its affinity and its quota.
set -e

[ -n "${NGINX_ENTRYPOINT_WORKER_PROCESSES_AUTOTUNE:-}" ] || exit 0

conf=/etc/nginx/nginx.conf
root=/sys/fs/cgroup

# limit DIRECTORY: the processors that its quota allows, rounded up; nothing if there is none.
limit() {
    quota='' period=''
    if [ -r "$1/cpu.max" ]; then
        read -r quota period < "$1/cpu.max"
    elif [ -r "$1/cpu.cfs_quota_us" ]; then
        read -r quota < "$1/cpu.cfs_quota_us"
        read -r period < "$1/cpu.cfs_period_us"
    fi
    case $quota in
        '' | max | -*) return ;;
    esac
    [ "$period" -gt 0 ] && echo $(((quota + period - 1) / period))
}

# above MOUNT PATH: the limits of a group and of all groups that it is in.
above() {
    path=$2
    while [ -n "$path" ] && [ "$path" != / ]; do
        limit "$1$path"
        path=${path%/*}
    done
    limit "$1"
}

limits() {
    nproc
    while IFS=: read -r number controllers path; do
        case "$number:,$controllers," in
            0:,,) above "$root" "$path" ;;
            *,cpu,*) above "$root/$controllers" "$path"; above "$root/cpu" "$path" ;;
        esac
    done < /proc/self/cgroup
}

if ! { true >> "$conf"; } 2>/dev/null; then
    echo "$(basename "$0"): error: $conf cannot be changed" >&2
    exit 0
fi
workers=$(limits | sort -n | head -n 1)
changed=$(sed -E "s/^worker_processes .*/worker_processes $workers;/" "$conf")
printf '%s\n' "$changed" > "$conf"

#!/bin/sh
# Makes what nginx's images have beside the program: layout.sh [unprivileged]
set -e

user=nginx
mkdir -p /var/log/nginx /var/cache/nginx /etc/nginx/conf.d /docker-entrypoint.d
# What is logged goes to the log of the container.
ln -sf /dev/stdout /var/log/nginx/access.log
ln -sf /dev/stderr /var/log/nginx/error.log
ln -sf /opt/pyngx/bin/pyngx /usr/sbin/nginx
chmod 755 /docker-entrypoint.sh /docker-entrypoint.d/*

if [ "${1:-}" = unprivileged ]; then
    sed -i -E 's/^( *listen +)80;/\18080;/' /etc/nginx/conf.d/default.conf
    sed -i -E -e '/^user /d' -e 's,^(pid +).*,\1/tmp/nginx.pid;,' \
        -e 's,^http \{,&\n    client_body_temp_path /tmp/client_temp;\n    proxy_temp_path       /tmp/proxy_temp;,' \
        -e '/^    proxy_temp_path /a\    fastcgi_temp_path     /tmp/fastcgi_temp;' /etc/nginx/nginx.conf
    # Any user of the group root may change the configuration, as OpenShift needs it.
    chown -R "$user:0" /etc/nginx /var/cache/nginx
    chmod -R g+w /etc/nginx /var/cache/nginx
fi
cp /etc/nginx/conf.d/default.conf /usr/share/nginx/default.conf

#!/bin/sh
# PID 1 of the Linux + strongSwan appliance that `cargo xtask bench` compares with. One IKEv2 responder between
# two virtio ports; addresses come from the kernel command line (net=OUTSIDE;INSIDE gw=NEXT_HOP). Modules are
# loaded from an ordered list, because modprobe's look-ups cost more than the modules under emulation.
export PATH=/bin:/sbin:/usr/sbin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev 2>/dev/null; mount -t tmpfs run /run
up() { cut -d' ' -f1 /proc/uptime; }
argument() { sed -n "s/.*\b$1=\([^ ]*\).*/\1/p" /proc/cmdline; }
echo "INIT $(up)"
while read -r module; do insmod "/modules/$module"; done < /modules/order
/sbin/ip link set lo up
port=0
for address in $(argument net | tr ';' ' '); do
  /sbin/ip address add "$address" dev "eth$port"; /sbin/ip link set "eth$port" up; port=$((port + 1))
done
echo 1 > /proc/sys/net/ipv4/ip_forward
for filter in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 > "$filter"; done
[ -n "$(argument gw)" ] && /sbin/ip route add default via "$(argument gw)"
echo "NETUP $(up)"
export STRONGSWAN_CONF=/etc/strongswan.conf
/usr/lib/ipsec/charon > /run/charon.out 2>&1 &
while [ ! -S /run/charon.vici ]; do sleep 0.02; done
swanctl --load-all --noprompt > /run/swanctl.out 2>&1
echo "IKEUP $(up)"
exec sh < /dev/console > /dev/console 2>&1

#!/usr/bin/dash
# The first process of every guest: file systems, addresses at once, and `load`. What follows (agent.sh, visit.sh) is
# appended to this.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
/bin/busybox --install -s /bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev 2>/dev/null; mount -t tmpfs run /run
mount -t tmpfs -o size=80% tmp /tmp; mount -t debugfs debug /sys/kernel/debug
# A test's addresses are usable at once, and nobody solicits routers.
for family in all default; do
  echo 0 > /proc/sys/net/ipv6/conf/$family/accept_dad; echo 0 > /proc/sys/net/ipv6/conf/$family/accept_ra
done
ip link set lo up
# load NAME: a module after all that it needs.
cat > /bin/load <<'END'
#!/bin/sh
[ -f "/modules/order/$1" ] || { echo "no module $1 here: built in"; exit 0; }
while read -r name; do
  grep -q "^$name " /proc/modules || insmod "/modules/$name.ko" || { echo "insmod $name"; exit 1; }
done < "/modules/order/$1"
END
chmod +x /bin/load

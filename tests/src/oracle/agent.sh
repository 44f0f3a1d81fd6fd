#!/usr/bin/dash
# The guest's first process. The console (ttyS0) belongs to the kernel's log; commands come over the second serial port,
# one a line: NUMBER SECONDS COMMAND, the command in hex. Each answer is what the command said, both streams, between two lines with its
# number; the last one carries its status.
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
exec < /dev/ttyS1 > /dev/ttyS1 2>/dev/console
stty raw -echo
dmesg -n 7
echo =ready=
while read -r number seconds command; do
  echo "$command" | xxd -r -p > /run/command
  timeout -k 2 "$seconds" /bin/sh /run/command < /dev/null > /run/said 2>&1
  status=$?
  echo "=begin-$number="; cat /run/said; printf '\n=end-%s=%s\n' "$number" "$status"
done
poweroff -f

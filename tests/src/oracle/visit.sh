# A guest for a person: the card's driver loaded, its interface up, a shell on the console. `card=A` of the kernel's
# command line says which card it has and so its addresses; `modules=` what to load.
words=$(cat /proc/cmdline)
card=${words##*card=}; card=${card%% *}
modules=${words##*modules=}; modules=${modules%% *}
number=$(($(printf %d "'$card") - 64))
hostname "guest-$card"
for module in $(echo "$modules" | tr , ' '); do load "$module" > /dev/null; done
for try in $(seq 100); do [ -e /sys/class/net/eth0 ] && break; sleep 0.1; done
ip link set eth0 up
ip addr add "10.0.0.$number/24" dev eth0
ip addr add "fd00::$number/64" dev eth0 nodad
# busybox's shell edits lines, but takes its own ip for ours.
echo "alias ip=/usr/bin/ip; PS1='guest $card # '" > /etc/shell
export ENV=/etc/shell TERM=vt100
dmesg | grep mlx5_core
cat <<END

Linux $(uname -r) on card $card, eth0 with 10.0.0.$number and fd00::$number. There are ip, ethtool, tcpdump, iperf3,
ping, and \`load MODULE\` (mlx5_core may be taken out and put in again). \`exit\` powers off.
END
setsid cttyhack ash
poweroff -f

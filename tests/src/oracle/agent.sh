# The console (ttyS0) belongs to the kernel's log; commands come over the second serial port, one a line: NUMBER SECONDS
# COMMAND, the command in hex. Each answer is what the command said, both streams, between two lines with its number;
# the last one carries its status.
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

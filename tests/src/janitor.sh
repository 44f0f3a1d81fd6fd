# Cleans up after a test run that ended in any way at all. Reads lines from its standard input:
#   ns NAME      a network namespace of this run
#   pid N        a process group of this run that lives in no namespace of its own
#   gone N       that group has ended
#   keep         a failed run: leave the scratch directory for reading
#   dir PATH     the scratch directory of this run
#   sockets PATH its directory for sockets
# At end of file whoever held the other end is gone, and what the lines name is ended and removed. A process inside a
# namespace is found through the namespace, so that a recycled process number is never hit.
trap '' INT TERM HUP
spaces= groups=' ' dir= sockets= keep=
while read -r kind what; do
  case $kind in
    ns) spaces="$spaces $what" ;;
    pid) groups="$groups$what " ;;
    gone) groups=$(printf %s "$groups" | sed "s/ $what / /") ;;
    keep) keep=yes ;;
    dir) dir=$what ;;
    sockets) sockets=$what ;;
  esac
done
for group in $groups; do kill -KILL "-$group" 2>/dev/null; done
for space in $spaces; do
  [ -e "/run/netns/$space" ] || continue
  for try in 1 2 3 4 5 6 7 8 9 10; do
    inside=$(ip netns pids "$space" 2>/dev/null)
    [ -n "$inside" ] || break
    kill -KILL $inside 2>/dev/null
    sleep 0.05
  done
  ip netns del "$space" 2>/dev/null
done
[ -z "$dir" ] || [ -n "$keep" ] || rm -rf -- "$dir"
[ -z "$sockets" ] || rm -rf -- "$sockets"

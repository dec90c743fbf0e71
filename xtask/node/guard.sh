# Runs a program that does not look at its standard input, and kills it when standard input ends. So
# it ends with whoever started it, in any case: `sh guard.sh PROGRAM ARGUMENT...`
exec 3<&0
"$@" </dev/null 3<&- &
program=$!
{ cat <&3; kill -KILL $program; } >/dev/null 2>&1 &
guard=$!
exec 3<&- </dev/null
wait $program
code=$?
kill $guard 2>/dev/null
exit $code

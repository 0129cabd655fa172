# SIGTERM, SIGKILL: whatever ends corescan while a process is stopped, the process runs again.
for signal in TERM KILL; do
	for delay in 0.01 0.05 0.2; do
		sleep 60 &
		pid=$!
		sleep 0.1
		"$CORESCAN" $pid > /dev/null 2>&1 &
		scan=$!
		sleep $delay
		kill -$signal $scan 2> /dev/null
		wait $scan 2> /dev/null
		sleep 0.1
		grep -E '^(State:.*(T|t) |TracerPid:.*[1-9])' /proc/$pid/status
		kill $pid
		wait $pid 2> /dev/null
	done
done
exit 0

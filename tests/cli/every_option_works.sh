# Each option of --help is accepted with a real core, and those about rows do what they say.
command -v gcore > /dev/null || { echo "no gcore (gdb) here" >&2; exit 77; }
sleep 60 &
pid=$!
gcore -o core $pid > gcore.log 2>&1
ok=$?
kill $pid
wait $pid 2> /dev/null
[ $ok = 0 ] || { echo "gcore: $(tail -n 1 gcore.log)" >&2; exit 77; }
core=core.$pid
try() {
	"$CORESCAN" $core "$@" > out 2> err
	code=$?
	[ $code -le 1 ] || echo "$*: exit $code, $(cat err)"
}
for option in --summary --by-type --by-size --arenas "--object 0x1000" --doctor --json "--format text" \
	"--format json" "--summary --format csv" "--top 0" "--top=3" "--sort bytes" "--min 1k" "--type x*" \
	--no-values "-o file" "--output=file" "--exe /bin/sleep" "--sysroot /" "--debug-dir /usr/lib/debug" \
	--allow-swap-in -q --quiet -v --verbose "-- "; do
	try $option
done
try --summary --format csv
[ "$(head -n 1 out)" = category,bytes,percent,blocks ] || echo "csv begins with $(head -n 1 out)"
try --summary --json -o file
[ -s out ] && echo "-o FILE wrote to stdout too"
python3 -m json.tool file > /dev/null || echo "no JSON"
try --summary --format csv --top 2
[ "$(wc -l < out)" = 3 ] || echo "--top 2 gave $(wc -l < out) lines"
try --by-size --arenas --summary
awk 'length($0) > 80 { print "too long when piped: " $0 }' out
grep -n -E '^(BLOCK SIZE|ARENAS|WHERE)' out | sed 's/ .*//'
try --quiet
[ -s err ] && echo "--quiet said $(cat err)"
ls | grep -v -E '^(core\.[0-9]*|out|err|file|gcore\.log)$' 
exit 0

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
try --summary --by-type --by-size --arenas --bins --chunks 0 --threads --tasks --object 0x1000 --doctor
try --format text --top=3 --sort bytes --min 1k --type 'x*' -v
try --format json --no-values --exe /bin/sleep --sysroot / --debug-dir /usr/lib/debug --debuginfod --verbose
try --json --top 0 --allow-swap-in --hints /dev/null --output=file --
try --summary --format csv
[ "$(head -n 1 out)" = category,bytes,percent,blocks ] || echo "csv begins with $(head -n 1 out)"
try --summary --json -o file
[ -s out ] && echo "-o FILE wrote to stdout too"
python3 -m json.tool file > /dev/null || echo "no JSON"
try --summary --format csv --top 2
[ "$(wc -l < out)" = 3 ] || echo "--top 2 gave $(wc -l < out) lines"
try --bins --format csv
[ "$(head -n 1 out)" = arena,bin,size,count,bytes ] || echo "csv begins with $(head -n 1 out)"
try --chunks 0 --format csv --top 3
[ "$(head -n 1 out)" = address,size,state,type ] || echo "csv begins with $(head -n 1 out)"
[ "$(wc -l < out)" = 4 ] || echo "--chunks --top 3 gave $(wc -l < out) lines"
try --chunks 0x10
[ $code = 1 ] && grep -q '0x10 is in no heap of malloc' out || echo "exit $code for no heap: $(cat out)"
try --threads --format csv
[ "$(head -n 1 out)" = tid,name,gil,python,native,stack,note ] || echo "csv begins with $(head -n 1 out)"
grep -q 'nanosleep' out || echo "no function of a sleeper: $(cat out)"
try --threads --verbose
grep -q 'native .*nanosleep' out || echo "no line for a frame: $(cat out)"
try --instances 'no*' --attrs a,b.c --sort bytes --min 1k --top 3 --format csv
[ $code = 1 ] && [ "$(cat out)" = address,bytes,retained ] || echo "exit $code for no type: $(cat out)"
try --instances nothing
grep -q "There is no type 'nothing'." out || echo "no type: $(cat out)"
try --referrers 0x10 --format csv
[ $code = 1 ] && [ "$(cat out)" = address,type,edge,hold,bytes ] || echo "exit $code for no block: $(cat out)"
heap=$("$CORESCAN" $core --chunks 0 --format csv --top 3 | sed -n 's/,.*,used,.*//p' | head -n 1)
try --referents $heap --referrers=$heap --object $heap --json
python3 -m json.tool out > /dev/null || echo "no JSON"
try --by-site --group-by file --cumulative --format csv
[ $code = 0 ] && [ "$(head -n 1 out)" = site,function,evidence,count,requested,bytes,frames,candidates ] ||
	echo "exit $code, csv begins with $(head -n 1 out)"
grep -q '^(nothing tells where),,none,[1-9]' out || echo "no row for the rest: $(cat out)"
try --tracemalloc-out none
[ $code = 1 ] && [ ! -e none ] && grep -q SITE out && grep -q 'no traces of tracemalloc were found' err ||
	echo "exit $code for no snapshot: $(cat out err)"
try --by-size --arenas --threads --summary
awk 'length($0) > 80 { print "too long when piped: " $0 }' out
grep -n -E '^(BLOCK SIZE|ARENAS|WHERE)' out | sed 's/ .*//'
try --quiet -o /dev/null
[ -s err ] && echo "--quiet said $(cat err)"
try -q --by-size
[ -s err ] && echo "-q said $(cat err)"
ls | grep -v -E '^(core\.[0-9]*|out|err|file|gcore\.log)$' 
exit 0

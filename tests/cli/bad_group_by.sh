# What cannot be grouped by is told, and where grouping means nothing.
for words in "--by-site --group-by function" "--by-site --group-by traceback --cumulative" \
	"--by-type --group-by file" "--summary --cumulative" "--by-site --cumulative=1"; do
	"$CORESCAN" core $words
	echo "exit $?"
done
cp "$CORESCAN" core
"$CORESCAN" core --tracemalloc-out core
echo "exit $?"

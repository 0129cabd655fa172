# Every view that a later version answers is known, and says so.
for view in by-site fragmentation; do
	"$CORESCAN" core --$view
	echo "exit $?"
done

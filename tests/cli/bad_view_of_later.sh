# Every view that a later version answers is known, and says so.
for view in fragmentation; do
	"$CORESCAN" core --$view
	echo "exit $?"
done

# A target that cannot be read: the file's name, why, and exit status 3.
: > empty
echo "just text" > text
mkdir folder
for target in missing empty text folder; do
	"$CORESCAN" $target
	echo "exit $?"
done

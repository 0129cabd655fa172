# Names of attributes are checked before a scan; so is that there is a view for them.
for attrs in "" "a,,b" "a." ".a" "5" "a b" "a,b,a" "$(seq -s, -f a%g 17)" "$(printf 'x%.0s' $(seq 200))"; do
	"$CORESCAN" core --instances x --attrs "$attrs"
	[ $? = 2 ] || echo "'$attrs' is taken"
done
"$CORESCAN" core --by-type --attrs a
"$CORESCAN" core --instances x --attrs a --sort a
"$CORESCAN" core --instances x --type a
"$CORESCAN" core --referrers x
"$CORESCAN" core --referents 16 --sort bytes

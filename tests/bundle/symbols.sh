# bash symbols.sh FOLDER SOURCE_DIR: what the archive's files ask of a machine, and what they say of the one that
# made them: symbol versions, libraries, names, paths, sums, size, licences.
. "$(dirname "$0")/common.sh"
source_dir=$1
need readelf nm sha256sum
unpack
cd "$top"

size=$(stat -c %s "$archive")
echo "$(basename "$archive"): $size bytes"
[ "$size" -le 40000000 ] || fail "the archive has more than 40,000,000 bytes"

sha256sum --quiet -c SHA256SUMS || fail "SHA256SUMS does not agree"
diff <(find . -type f ! -name SHA256SUMS -printf '%P\n' | sort) <(cut -c 67- SHA256SUMS | sort) ||
    fail "SHA256SUMS does not name every file"

# every ELF file
machine_libraries=" libc.so.6 libm.so.6 libpthread.so.0 libdl.so.2 librt.so.1 ld-linux-x86-64.so.2 "
seen=0
while IFS= read -r file; do
    [ "$(head -c 4 "$file" | tail -c 3)" = ELF ] || continue
    seen=$((seen + 1))
    versions=$(readelf -VW "$file" | grep -oE 'GLIBC_[0-9.]+' | sort -uV || true)
    highest=$(tail -n 1 <<<"$versions")
    [ "$(printf '%s\nGLIBC_2.28\n' "$highest" | sort -V | tail -n 1)" = GLIBC_2.28 ] ||
        fail "$file needs $highest"
    ! grep -q GLIBC_PRIVATE <<<"$(readelf -VW "$file")" || fail "$file needs GLIBC_PRIVATE"
    dynamic=$(readelf -dW "$file")
    ! grep -q TEXTREL <<<"$dynamic" || fail "$file changes its code when it is loaded"
    folders=$(sed -n 's/.*(R\(UN\)\{0,1\}PATH).*\[\(.*\)\]/\2/p' <<<"$dynamic" | tr ':' '\n')
    ! grep -qv '^\$ORIGIN' <<<"${folders:-\$ORIGIN}" || fail "$file looks for libraries in $folders"
    needed=$(sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' <<<"$dynamic")
    for library in $needed; do
        case "$machine_libraries" in *" $library "*) continue ;; esac
        found=0
        for place in $folders; do
            [ ! -e "${place/#\$ORIGIN/$(dirname "$file")}/$library" ] || found=1
        done
        [ $found -eq 1 ] || fail "$file needs $library, which is not in the archive"
    done
    echo "$file: ${highest:-no glibc}, $(stat -c %s "$file") bytes, needs" $needed
done < <(find . -type f -printf '%P\n' | sort)
[ $seen -ge 4 ] || fail "the archive has only $seen programs and libraries"

# names: rg_*, and what the archive's tests call behind them (cmake/bundle/rodgrad.map)
names='^(rg_|rgi_device_|rgi_normal_|rgi_context_device$)'
others=$(nm -D --defined-only lib/librodgrad.so.?.? | awk -v names="$names" '$2 ~ /[A-Z]/ && $3 !~ names { print $3 }')
[ -z "$others" ] || fail "librodgrad.so shows" $others
others=$(nm -g --defined-only lib/librodgrad.a | awk -v names="$names" 'NF == 3 && $3 !~ names { print $3 }')
[ -z "$others" ] || fail "librodgrad.a shows" $others
diff <(nm -D --defined-only lib/librodgrad.so.?.? | awk '{ print $3 }' | sort) \
    <(nm -g --defined-only lib/librodgrad.a | awk 'NF == 3 { print $3 }' | sort) ||
    fail "librodgrad.so and librodgrad.a show different names"

# paths
for path in "$source_dir" "$folder"; do
    named=$(grep -rlaF -- "$path" . || true)
    [ -z "$named" ] || fail "$path is named by" $named
done
! grep -rnE '(^|[ =";(])/[A-Za-z]' lib/cmake lib/pkgconfig || fail "a path of the machine that made the archive"

# a licence of every static library that the program was linked with
program=$(sed -n '/^build rodgrad: /,/^$/p' "$folder/build/build-${top#rodgrad-}/build.ninja")
libraries=$(grep LINK_LIBRARIES <<<"$program" | grep -oE '[A-Za-z0-9_.+-]+\.a' | sort -u)
[ "$(wc -l <<<"$libraries")" -ge 10 ] || fail "too few static libraries were found:" $libraries
for library in $libraries glibc zig cmocka; do
    case "$library" in
        librodgrad*) continue ;;
        liblapack* | libblas.a) licence=lapack ;;
        libhdf5*) licence=hdf5 ;;
        libsz.a) licence=libaec ;;
        libz.a) licence=zlib ;;
        libcrypto.a) licence=openssl ;;
        libgcc*) licence=libgcc ;;
        *) licence=${library%.a} licence=${licence#lib} ;;
    esac
    [ -d "licenses/$licence" ] || licence=lib$licence
    [ -n "$(find "licenses/$licence" -type f -size +0 2>/dev/null)" ] || fail "no licence of $library"
    grep -q "^$licence/ " licenses/README || fail "licenses/README is silent about $licence"
done
echo "$test_name: $seen programs and libraries, licences of" $libraries

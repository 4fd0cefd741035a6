# bash consume.sh FOLDER SOURCE_DIR CMAKE: an outside program links librodgrad.a by plain cc, by pkg-config and by
# find_package, from the unpacked folder after that was moved twice.
. "$(dirname "$0")/common.sh"
source_dir=$1 cmake=$2
need cc
unpack
mkdir "first place" second
mv "$top" "first place/moved"
mv "first place/moved" second/rodgrad
rmdir "first place"
prefix=$PWD/second/rodgrad
consume=$source_dir/tests/consume

cc -std=c17 -Wall -Wextra -Werror "$consume/consume.c" -I "$prefix/include" "$prefix/lib/librodgrad.a" \
    -lm -lpthread -ldl -o plain
./plain | tee plain.txt
same() { "./$1" | diff plain.txt - || fail "$1 prints something else"; }

# on a machine with the oldest glibc: linked against its symbols
zig=$(echo "$folder"/build/ziglang/lib/python3*/site-packages/ziglang/zig)
if [ -x "$zig" ]; then
    cc -std=c17 "$consume/consume.c" -I "$prefix/include" -c -o oldest.o
    cache=$folder/build/build-${top#rodgrad-}/zig
    ZIG_GLOBAL_CACHE_DIR=$cache ZIG_LOCAL_CACHE_DIR=$cache "$zig" cc -target x86_64-linux-gnu.2.28 -O2 \
        -fno-sanitize=all oldest.o "$prefix/lib/librodgrad.a" -lm -lpthread -ldl -o oldest
    same oldest
fi

# together with an OpenMP runtime, and inside another shared library
cc -std=c17 -fopenmp "$consume/consume.c" -I "$prefix/include" "$prefix/lib/librodgrad.a" \
    -lm -lpthread -ldl -o with_openmp
same with_openmp
cc -shared -Wl,--whole-archive "$prefix/lib/librodgrad.a" -Wl,--no-whole-archive -lm -lpthread -ldl \
    -Wl,--no-undefined -o libinside.so
cc -std=c17 "$consume/consume.c" -I "$prefix/include" -L. -linside '-Wl,-rpath,$ORIGIN' -o inside
same inside

# against librodgrad.so
cc -std=c17 "$consume/consume.c" -I "$prefix/include" "$prefix"/lib/librodgrad.so.?.? \
    '-Wl,-rpath,$ORIGIN/second/rodgrad/lib' -o shared
same shared

if command -v pkg-config >/dev/null; then
    flags=$(PKG_CONFIG_LIBDIR=$prefix/lib/pkgconfig pkg-config --cflags --libs rodgrad)
    # shellcheck disable=SC2086 # words
    cc -std=c17 "$consume/consume.c" $flags -o by_pkg_config
    same by_pkg_config
else
    echo "pkg-config was not found: left out"
fi

# C alone, and C++ alone
"$cmake" -S "$consume" -B cmake "-DCMAKE_PREFIX_PATH=$prefix" >cmake.log || fail "$(cat cmake.log)"
"$cmake" --build cmake >>cmake.log || fail "$(cat cmake.log)"
cp cmake/consume by_cmake
same by_cmake
if command -v c++ >/dev/null; then
    mkdir cxx
    cat >cxx/CMakeLists.txt <<'END'
cmake_minimum_required(VERSION 3.16)
project(consume LANGUAGES CXX)
find_package(rodgrad 0.1 REQUIRED)
file(WRITE main.cpp "#include <rodgrad/rodgrad.h>\nint main() { return rg_rollout_opts_default().struct_size == 0; }\n")
add_executable(consume main.cpp)
target_link_libraries(consume PRIVATE rodgrad::rodgrad)
END
    (cd cxx && "$cmake" . "-DCMAKE_PREFIX_PATH=$prefix" >../cxx.log && "$cmake" --build . >>../cxx.log) ||
        fail "$(cat cxx.log)"
    cxx/consume || fail "a program in C++ fails"
fi

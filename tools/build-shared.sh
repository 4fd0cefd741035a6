# For the comparisons with other simulators, to be sourced at the project's root: makes $folder, a temporary one
# that goes at the end where it is empty, and builds librodgrad.so in $folder/build. say() tells what is going on.
if [ -z "$folder" ]; then
    folder=$(mktemp -d)
    trap 'rm -rf "$folder"' EXIT
fi
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)

say "build"
cmake -S . -B "$folder/build" -DCMAKE_BUILD_TYPE=Release -DRODGRAD_SHARED=ON -DRODGRAD_CUDA=OFF \
    -DRODGRAD_BUILD_PROGRAM=OFF -DRODGRAD_BUILD_TESTS=OFF >&2
cmake --build "$folder/build" -j "$(nproc)" --target rodgrad_shared >&2

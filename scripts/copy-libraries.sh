# Sourced: copies the libraries of this machine that programs need into a folder that becomes an image without a distribution.

# copy_libraries TREE PROGRAM...: what the programs load, at the paths where their loader looks. The programs themselves are the caller's
# to place. glibc loads the resolver's modules by name later, so ldd does not tell of them.
copy_libraries() {
  local tree=$1
  shift
  {
    ldd "$@" | grep -oE '/[^ )]+\.so[^ )]*'
    ls "$(dirname "$(ldd "$1" | grep -oE '/[^ )]+/libc\.so\.6')")"/{libnss_dns,libnss_files,libresolv}.so.2
  } | sort -u | while read -r library; do
    mkdir -p "$tree$(dirname "$library")"
    cp -L "$library" "$tree$library"
  done
}

# shellcheck shell=bash
# Runs cells of bash one after the other, in one shell. A line on descriptor 3 is a cell's variables and its code, each in
# base64; its exit status goes to descriptor 4.
__decode() { printf %s "$1" | base64 -d; }
trap : INT
while IFS=' ' read -r __envs __code <&3; do
  # Variables are for one cell: those the shell had before come back.
  __before=()
  while IFS= read -r -d '' __pair; do
    __name=${__pair%%=*}
    __before+=("$(declare -p "$__name" 2>/dev/null || printf 'unset %s' "$__name")")
    export "$__name=${__pair#*=}"
  done < <(__decode "$__envs")
  eval "$(__decode "$__code")" 3<&- 4>&-
  __status=$?
  for __pair in "${__before[@]}"; do eval "$__pair"; done
  printf '{"type":"status","status":%d}\n{"type":"end"}\n' "$__status" >&4
done

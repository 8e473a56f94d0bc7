#!/usr/bin/env bash
# Runs tests on Debian's own kernel, with nothing but control groups of version 2, in a virtual machine that is gone
# afterwards: scripts/in-a-virtual-machine.sh packages/engine-linux/test/conformance.test.ts …
#
# Needs root on a Debian or Ubuntu machine, its packages qemu-system-x86, mmdebstrap and e2fsprogs, and a checkout that
# `npm test` has set up. Arguments go to vitest. Prints what the tests print, and fails when they do. The guest has no
# network but its own loopback.
#
# SUITE      the Debian release, and so the kernel: bookworm (Linux 6.1) unless said otherwise
# ACCEL      kvm where /dev/kvm can be used, else tcg, which emulates the processor: some 15 times slower, but faster
#            than KVM of a virtual machine that itself is emulated
# MEMORY_MB  4096; CPUS: 1; DISK_MB: 6144, of which what is used takes room
# COMMAND    what to run instead of tests: shell commands, in the checkout
set -euo pipefail
cd "$(dirname "$0")/.."

suite=${SUITE:-bookworm}
if [ -w /dev/kvm ]; then accel=${ACCEL:-kvm}; else accel=${ACCEL:-tcg}; fi
# shellcheck disable=SC2054 # Commas are QEMU's.
case $accel in
  kvm) machine=(-accel kvm -cpu host) kernel='' ;;
  # What is slow to emulate: wide registers, and jumps that are guarded against speculation.
  *) machine=(-accel tcg,tb-size=1024 -cpu Nehalem) kernel=mitigations=off ;;
esac

if [ "$#" -eq 0 ] && [ -z "${COMMAND:-}" ]; then
  echo "Say which test files, for example: $0 packages/engine-linux/test/conformance.test.ts" >&2
  exit 2
fi
for need in qemu-system-x86_64:qemu-system-x86 mmdebstrap:mmdebstrap mkfs.ext4:e2fsprogs; do
  command -v "${need%:*}" >/dev/null || { echo "Missing: apt-get install ${need#*:}" >&2; exit 2; }
done
if [ "$(id -u)" -ne 0 ]; then
  echo "Needs root: the guest's files have owners." >&2
  exit 2
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# What a host needs: its tools (docs/security.md), and a kernel with an initial RAM disk.
mmdebstrap --quiet --variant=minbase \
  --include=linux-image-cloud-amd64,e2fsprogs,iproute2,nftables,git,perl,procps,python3 "$suite" "$work/root" >&2
cp "$(node -p process.execPath)" "$work/root/usr/bin/node"
mkdir "$work/root/checkout"
# Other runtimes and what benchmarks compare with are large, and no test of the host needs them.
tar -cf - --exclude=./.git --exclude=./packages/agent-runtime/test/portability \
  --exclude=./packages/agent-runtime/bench/node_modules . | tar -xf - -C "$work/root/checkout"
if [ "$accel" != kvm ]; then
  # Emulated, all that tests and the probe wait for takes longer, too.
  sed -i -E 's/((testTimeout:|hookTimeout:|timeout:|imeoutMs =) [0-9]+)_000/\1_0000/; s/^( *(\}, )?[0-9]+)_000(\);|,)$/\1_0000\3/' \
    "$work"/root/checkout/{vitest.config.ts,packages/{sandbox-host/test/*.ts,engine-linux/src/probe/prove-capabilities.ts}}
fi

if [ -z "${COMMAND:-}" ]; then COMMAND="node node_modules/vitest/vitest.mjs run $(printf '%q ' "$@")"; fi
printf '%s\n' "$COMMAND" >"$work/root/command"
# The first process: mounts what systemd would, runs the command, turns the machine off.
cat >"$work/root/first-process" <<'GUEST'
#!/bin/bash
for mount in proc:/proc sysfs:/sys devtmpfs:/dev devpts:/dev/pts tmpfs:/dev/shm cgroup2:/sys/fs/cgroup; do
  mkdir -p "${mount#*:}"
  mountpoint -q "${mount#*:}" || mount -t "${mount%:*}" "${mount%:*}" "${mount#*:}"
done
modprobe loop # whose control device systemd would make
ip link set lo up
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root NO_COLOR=1
cd /checkout
echo "Linux $(uname -r), control groups of version 2: $(cat /sys/fs/cgroup/cgroup.controllers)"
bash /command 2>&1 | cat
echo "exit status ${PIPESTATUS[0]}"
sync
echo o >/proc/sysrq-trigger
sleep 60
GUEST
chmod +x "$work/root/first-process"
truncate -s "${DISK_MB:-6144}M" "$work/disk"
mkfs.ext4 -q -d "$work/root" "$work/disk"

echo "Starting Linux of Debian $suite with $accel" >&2
qemu-system-x86_64 "${machine[@]}" -smp "${CPUS:-1}" -m "${MEMORY_MB:-4096}" \
  -nographic -no-reboot -nic none -drive "file=$work/disk,format=raw,if=virtio" \
  -kernel "$work/root/vmlinuz" -initrd "$work/root/initrd.img" \
  -append "root=/dev/vda rw console=ttyS0 quiet panic=-1 $kernel init=/first-process" \
  </dev/null | tee "$work/output"
# Serial lines end with a carriage return, too. No status at all: the guest did not get that far.
exit "$(sed -n 's/^exit status \([0-9]*\).*/\1/p' "$work/output" | tail -1 | grep . || echo 1)"

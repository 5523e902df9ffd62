#!/usr/bin/env bash
# Two hosts on one machine train together, and then one process alone: losses side by side.
#
#   sudo studies/two_hosts.sh [flags of trainer.py]
#
# PYTHON is the Python to use (.venv/bin/python); Open MPI's mpiexec is looked for beside it, then in
# PATH. Each host is a network namespace with a name, IPC and /dev/shm of its own; between them lies a
# veth pair, and Open MPI is left no other way than TCP. Needs root and Debian's iproute2.
#
# FAULT does something to the run once it trains: "kill" ends all that runs on the second host,
# "cable" takes the network away, "name" gives both hosts one name.
set -eu

ROOT=$(cd "$(dirname "$0")/.." && pwd)
PYTHON=${PYTHON:-$ROOT/.venv/bin/python}
BIN=$(dirname "$PYTHON")
MPIEXEC=$(PATH=$BIN:$PATH command -v mpiexec) || { echo "no mpiexec" >&2; exit 2; }
[ "$(id -u)" = 0 ] || { echo "$0: needs root, for the network namespaces" >&2; exit 2; }
[ $# -gt 0 ] || set -- --data digits --epochs 2 --batch-size 61 --quality-every 0

ROOM=$(mktemp -d)
PIDS=
end() {
    for pid in $PIDS; do kill "$pid" 2>/dev/null || true; done
    for host in a b; do
        ip netns pids "dcgan-$host" 2>/dev/null | xargs -r kill -9 2>/dev/null || true
        ip netns delete "dcgan-$host" 2>/dev/null || true
    done
    rm -rf "$ROOM"
}
trap end EXIT

# Two hosts, host-a and host-b, and a cable.
printf '127.0.0.1 localhost\n10.77.0.1 host-a\n10.77.0.2 host-b\n' > "$ROOM/hosts"
ip netns add dcgan-a
ip netns add dcgan-b
ip link add dcgan-a netns dcgan-a type veth peer name dcgan-b netns dcgan-b
number=0
for host in a b; do
    number=$((number + 1))
    ip -n "dcgan-$host" address add "10.77.0.$number/24" dev "dcgan-$host"
    ip -n "dcgan-$host" link set "dcgan-$host" up
    ip -n "dcgan-$host" link set lo up
    name=host-$host
    [ "${FAULT:-}" = name ] && name=host-a
    ip netns exec "dcgan-$host" unshare --uts --ipc --mount sh -c "
        hostname $name
        mount -t tmpfs tmpfs /dev/shm
        mount --bind '$ROOM/hosts' /etc/hosts
        echo \$\$ > '$ROOM/host-$host'
        exec sleep infinity" &
    PIDS="$PIDS $!"
done
while [ ! -s "$ROOM/host-a" ] || [ ! -s "$ROOM/host-b" ]; do sleep 0.1; done

# What mpiexec calls in the place of ssh: agent HOST COMMAND...
cat > "$ROOM/agent" <<END
#!/bin/sh
host=\$1; shift
exec nsenter --target "\$(cat "$ROOM/\$host")" --net --uts --ipc --mount sh -c "\$*"
END
chmod +x "$ROOM/agent"

case ${FAULT:-} in
kill) sabotage='sleep 2; ip netns pids dcgan-b | xargs kill -9' ;;
cable) sabotage='sleep 2; ip -n dcgan-b link set dcgan-b down' ;;
*) sabotage= ;;
esac
if [ -n "$sabotage" ]; then
    (while [ ! -e "$ROOM/two/epoch-0000.png" ]; do sleep 0.2; done; eval "$sabotage") &
    PIDS="$PIDS $!"
fi

code=0
begun=$(date +%s)
"$ROOM/agent" host-a "cd '$ROOT' && PATH='$BIN':\$PATH '$MPIEXEC' --allow-run-as-root \
    --prtemca plm_ssh_agent '$ROOM/agent' --prtemca prte_if_include 10.77.0.0/24 \
    --prtemca oob_tcp_keepalive_time 5 --prtemca oob_tcp_keepalive_intvl 2 \
    --prtemca oob_tcp_keepalive_probes 3 \
    --mca pml ob1 --mca btl tcp,self --mca btl_tcp_if_include 10.77.0.0/24 \
    --host host-a:1,host-b:1 -n 2 '$PYTHON' trainer.py $* --out '$ROOM/two'" || code=$?
if [ -n "${FAULT:-}" ]; then
    echo "two hosts, $FAULT: exit code $code after $(($(date +%s) - begun)) s"
    ip netns pids dcgan-b | xargs -r ps -o pid=,args= -p
    exit 0
fi
[ $code = 0 ] || exit $code
(cd "$ROOT" && "$PYTHON" trainer.py "$@" --out "$ROOM/one")
echo
echo "losses, two hosts | one process"
paste -d '|' "$ROOM/two/losses.csv" "$ROOM/one/losses.csv" | cut -d, -f1-3,7,8

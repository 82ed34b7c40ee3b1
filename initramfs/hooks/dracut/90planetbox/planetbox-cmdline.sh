#!/bin/sh
# ePoxy's network arguments in dracut's words. Sourced; works with dash.

planetbox_network() {
    getarg epoxy.stage1= > /dev/null || getarg epoxy.stage2= > /dev/null || return 0
    local address device host rest gateway dns1 dns2
    address=$(getarg epoxy.ipv4=)
    device=$(getarg epoxy.interface=)
    host=$(getarg epoxy.hostname=)
    # There is no root file system to wait for: the stage starts another kernel. Without a reason to
    # wait dracut would go on before the network is there.
    [ -n "$root" ] || { root=planetbox; rootok=1; }
    echo 'false' > "$hookdir/initqueue/finished/planetbox.sh"
    mkdir -p /etc/cmdline.d
    {
        echo "rd.neednet=1"
        if getarg ip= > /dev/null; then
            :  # the operator has said it in dracut's words already
        elif [ -n "$address" ]; then
            rest=${address#*,}
            [ "$rest" != "$address" ] || rest=
            address=${address%%,*}
            gateway=${rest%%,*}
            case "$rest" in *,*) rest=${rest#*,} ;; *) rest= ;; esac
            dns1=${rest%%,*}
            case "$rest" in *,*) dns2=${rest#*,} ;; *) dns2= ;; esac
            echo "ip=${address%/*}::$gateway:${address#*/}:$host:${device:-eth0}:none"
            [ -z "$dns1" ] || echo "nameserver=$dns1"
            [ -z "$dns2" ] || echo "nameserver=$dns2"
        elif getarg epoxy.ip= > /dev/null; then
            echo "ip=$(getarg epoxy.ip=)"
        else
            echo "ip=${device:+$device:}dhcp"
        fi
    } > /etc/cmdline.d/20-planetbox.conf
}

planetbox_network

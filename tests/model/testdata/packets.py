"""Writes packets.txt: frames that scapy built, for the parser, the checksums and the hash.

    pip install scapy
    python3 packets.py > packets.txt

One frame a line, fields as name=value, bytes in hex. `sum` is the ones' complement sum (not complemented) from the outer IP
header to the end of the IP packet, in hex.
"""
from scapy.all import (
    ARP, GRE, ICMP, IP, TCP, UDP, VXLAN, Dot1AD, Dot1Q, Ether, ICMPv6EchoRequest, ICMPv6ND_NS, IPOption_RR, IPv6,
    IPv6ExtHdrDestOpt, IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, PadN, Raw, raw)
from scapy.layers.ipsec import ESP
from scapy.utils import checksum

E = Ether(dst="02:00:00:00:00:01", src="02:00:00:00:00:02")
V4 = dict(src="192.0.2.1", dst="198.51.100.2")
V6 = dict(src="2001:db8::1", dst="2001:db8:1::2")
T = TCP(sport=4000, dport=80, seq=0x01020304, ack=0x0A0B0C0D, flags="PA", window=512)
U = UDP(sport=5000, dport=53)
HOP = IPv6ExtHdrHopByHop(options=[PadN(optdata=b"\0" * 4)])
DEST = IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 4)])
SPI = ESP(spi=0xC0FFEE01, seq=7, data=bytes(range(40)))


def text(n):
    return Raw(bytes((i * 7 + 3) & 0xFF for i in range(n)))


def cases():
    yield "arp", E / ARP(psrc="192.0.2.1", pdst="192.0.2.2")
    yield "tcp4", E / IP(**V4, tos=0xB9, ttl=17) / T / text(101)
    yield "tcp4-options", E / IP(**V4, options=[IPOption_RR(length=7, routers=["0.0.0.0"])]) / TCP(
        sport=1, dport=2, options=[("Timestamp", (1, 2)), ("NOP", None), ("NOP", None)]) / text(9)
    yield "tcp6", E / IPv6(**V6, tc=0x2E, fl=0x12345, hlim=9) / T / text(100)
    yield "udp4", E / IP(**V4) / U / text(33)
    yield "udp4-zero", E / IP(**V4) / UDP(sport=5000, dport=53, chksum=0) / text(33)
    yield "udp6", E / IPv6(**V6) / U / text(34)
    yield "icmp4", E / IP(**V4) / ICMP(id=0x1234, seq=5) / text(56)
    yield "icmp6", E / IPv6(**V6) / ICMPv6EchoRequest(id=0x1234, seq=5, data=b"abc")
    yield "nd", E / IPv6(**V6) / ICMPv6ND_NS(tgt="2001:db8::2")
    yield "vlan-tcp4", E / Dot1Q(vlan=100, prio=5) / IP(**V4) / T / text(20)
    yield "qinq-udp6", E / Dot1AD(vlan=7, prio=1, id=1) / Dot1Q(vlan=4094) / IPv6(**V6) / U / text(20)
    yield "frag4-first", E / IP(**V4, flags="MF") / U / text(24)
    yield "frag4-later", E / IP(**V4, frag=4) / text(24)
    yield "frag6", E / IPv6(**V6) / IPv6ExtHdrFragment(nh=17, offset=4, m=1, id=9) / text(24)
    yield "frag6-first", E / IPv6(**V6) / IPv6ExtHdrFragment(nh=17, offset=0, m=1, id=9) / text(24)
    yield "atomic6", E / IPv6(**V6) / IPv6ExtHdrFragment(id=9) / T / text(24)
    # With no segments left the final destination is the one in the IPv6 header.
    yield "extensions6", E / IPv6(**V6) / HOP / DEST / IPv6ExtHdrRouting(segleft=0) / DEST / T / text(8)
    yield "esp4", E / IP(**V4, proto=50) / SPI
    yield "esp6", E / IPv6(**V6, nh=0) / IPv6ExtHdrHopByHop(nh=50, options=HOP.options) / SPI
    yield "natt", E / IP(**V4) / UDP(sport=4500, dport=4500, chksum=0) / SPI
    yield "natt-ike", E / IP(**V4) / UDP(sport=4500, dport=4500, chksum=0) / Raw(b"\0\0\0\0" + bytes(range(40)))
    yield "natt-keepalive", E / IP(**V4) / UDP(sport=4500, dport=4500, chksum=0) / Raw(b"\xff")
    inner = Ether(dst="02:00:00:00:00:11", src="02:00:00:00:00:12")
    yield "vxlan", E / IP(**V4) / UDP(sport=50000, dport=4789) / VXLAN(vni=0xABCDEF, flags=8) / inner / IPv6(
        src="fd00::1", dst="fd00::2") / T / text(17)
    yield "gre", E / IP(**V4) / GRE(key_present=1, key=0xCAFE0001, chksum_present=0) / IP(
        src="10.0.0.1", dst="10.0.0.2") / U / text(17)
    yield "gre-checksum", E / IP(**V4) / GRE(chksum_present=1, key_present=1, key=5) / IP(
        src="10.0.0.1", dst="10.0.0.2") / U / text(17)
    yield "gre-bridged", E / IPv6(**V6) / GRE(proto=0x6558, seqnum_present=1, seqence_number=3) / inner / Dot1Q(
        vlan=9) / IP(src="10.0.0.1", dst="10.0.0.2") / T / text(16)
    yield "ipip", E / IP(**V4) / IP(src="10.0.0.1", dst="10.0.0.2") / T / text(5)
    yield "ip6ip", E / IP(**V4) / IPv6(src="fd00::1", dst="fd00::2") / U / text(5)
    yield "padded", E / IP(**V4) / TCP(sport=9, dport=10, flags="A") / Raw(b"")


def main():
    print("# Written by packets.py with scapy.")
    for name, packet in cases():
        frame = raw(packet)
        packet = Ether(frame)
        outermost = {0x0800: IP, 0x86DD: IPv6}.get(int.from_bytes(frame[12:14], "big"))
        outermost = outermost or next((layer for layer in (IP, IPv6) if layer in packet), None)
        total = f"{checksum(raw(packet[outermost])) ^ 0xFFFF:04x}" if outermost else "-"
        if name == "padded":
            frame += bytes([0x55] * (60 - len(frame)))
        print(f"name={name} sum={total} frame={frame.hex()}")


main()

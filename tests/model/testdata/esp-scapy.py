#!/usr/bin/env python3
"""Makes esp-scapy.txt: ESP frames with AES-GCM by scapy 2.8, for tests/model/src/ipsec/engine.

One frame a line, fields parted by blanks: name, key, salt, implicit IV, ESN (or - without), sequence number, SPI,
reformat type, reformat data, plain frame, ESP frame; all in hexadecimal. The IV of a packet is the implicit IV XOR
the 64-bit sequence number, as Linux's seqiv makes it.
"""
import random
import sys

from scapy.all import IP, TCP, UDP, Ether, IPv6, Raw, raw
from scapy.layers.ipsec import ESP, SecurityAssociation

rng = random.Random(31)
A, B = "02:00:00:00:00:0a", "02:00:00:00:00:0b"
V4, V6 = ("192.0.2.1", "198.51.100.2"), ("2001:db8::1", "2001:db8:1::2")


def ip(family, tos=0):
    if family == 4:
        return IP(src=V4[0], dst=V4[1], id=0x1234, flags="DF", ttl=63, tos=tos)
    return IPv6(src=V6[0], dst=V6[1], fl=0x54321, hlim=63, tc=tos)


def ether(packet):
    return bytes.fromhex("02000000000b02000000000a") + (b"\x08\x00" if IP in packet and packet.version == 4 else b"\x86\xdd") + raw(packet)


def line(name, family, size, bits, esn, sequence, kind, tos=0):
    key, salt, implicit = rng.randbytes(bits // 8), rng.randbytes(4), rng.randbytes(8)
    spi = rng.randrange(256, 1 << 32)
    full = ((esn or 0) << 32) | sequence
    iv = (int.from_bytes(implicit, "big") ^ full).to_bytes(8, "big")
    payload = Raw(rng.randbytes(size))
    upper = TCP(sport=1024, dport=80, seq=7, flags="A") if size % 2 else UDP(sport=1024, dport=53)
    plain = ip(family, tos) / upper / payload
    plain = plain.__class__(raw(plain))
    options = {}
    data = spi.to_bytes(4, "big") + bytes(12)
    if kind in (7, 0xC):
        options["nat_t_header"] = UDP(sport=4500, dport=4501, chksum=0)
        data = (4500).to_bytes(2, "big") + (4501).to_bytes(2, "big") + bytes(4) + data
    if kind == 6:
        outer = IP(src="203.0.113.1", dst="203.0.113.2", id=0, ttl=64) if name.startswith("tunnel4") else IPv6(src="2001:db8:f::1", dst="2001:db8:f::2", hlim=64)
        options["tunnel_header"] = outer
        head = outer.copy()
        if IP in head:
            head.proto, head.len, head.chksum = 50, 0, 0
        else:
            head.nh, head.plen = 50, 0
        mac = bytes.fromhex("02000000000d02000000000c") + (b"\x08\x00" if IP in head else b"\x86\xdd")
        data = mac + raw(head) + data
    association = SecurityAssociation(ESP, spi=spi, crypt_algo="AES-GCM", crypt_key=key + salt, **options)
    sealed = association.encrypt(plain.copy(), seq_num=sequence, iv=iv, esn_en=esn is not None, esn=esn or 0)
    wire = ether(sealed)
    if kind == 6:
        wire = data[:14] + wire[14:]
    fields = [name, key.hex(), salt.hex(), implicit.hex(), "-" if esn is None else f"{esn:08x}", f"{sequence:08x}",
              f"{spi:08x}", f"{kind:02x}", data.hex(), ether(plain).hex(), wire.hex()]
    print(*fields)


for size in range(8):
    line(f"transport4-{size}", 4, size, 128 if size % 3 else 256, None if size % 2 else 5, 1 + size, 5)
    line(f"transport6-{size}", 6, size, 256 if size % 3 else 128, 7 if size % 2 else None, 1 + size, 0xB)
    line(f"udp4-{size}", 4, size, 128, 0, 100 + size, 7)
    line(f"tunnel4in4-{size}", 4, size, 256, 1, 0xFFFFFFF0 + size, 6)
    line(f"tunnel4in6-{size}", 6, size, 128, None, 9 + size, 6, tos=0xB8)
    line(f"tunnel6in4-{size}", 4, size, 128, 2, 9 + size, 6)
line("transport4-1400", 4, 1400, 256, 3, 0x80000000, 5)
line("tunnel6in6-1400", 6, 1400, 256, 3, 0x7FFFFFFF, 6)
print("made by scapy", file=sys.stderr)

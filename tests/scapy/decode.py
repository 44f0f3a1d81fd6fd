"""Reads ESP off a capture with scapy and holds every field against what it has to be.

usage: decode.py JOB.json

The job names two captures, of the outer wire and of the inside wire, and the SAs (SPI, algorithm, key and salt in hex,
addresses, ESN). Each ESP packet of a named SA must decrypt, and what comes out must have been seen on the inside wire:
as it was sent there, with one hop less, if the gateway encrypted it; as it arrived there, with one hop less again, if
the peer did. The last line says how many packets agreed. Any disagreement ends the run with status 1.
"""

import json
import sys

from scapy.all import ESP, IP, UDP, IPv6, SecurityAssociation, rdpcap

NAMES = {"aes128gcm16": "AES-GCM", "aes256gcm16": "AES-GCM", "chacha20poly1305": "CHACHA20-POLY1305"}
IV = 8


def fail(number, packet, what):
    print(f"packet {number}: {what}")
    packet.show()
    sys.exit(1)


def hops(packet):
    return packet.ttl if packet.version == 4 else packet.hlim


def canonical(octets, fewer_hops):
    """The packet's octets with `fewer_hops` taken off, checksums recomputed."""
    packet = IP(octets) if octets[0] >> 4 == 4 else IPv6(octets)
    if packet.version == 4:
        packet.ttl -= fewer_hops
        del packet.chksum
    else:
        packet.hlim -= fewer_hops
    return bytes(packet)


def inner_packets(path):
    """All IP packets of the inside wire, cut to their own length (Ethernet pads short ones)."""
    found = []
    for frame in rdpcap(path):
        if IP in frame:
            found.append(bytes(frame[IP])[: frame[IP].len])
        elif IPv6 in frame:
            found.append(bytes(frame[IPv6])[: frame[IPv6].plen + 40])
    return found


def esp_of(packet, encap):
    """The octets from the SPI on, or nothing if this is no ESP of the kind expected."""
    if encap:
        if UDP not in packet or 4500 not in (packet[UDP].sport, packet[UDP].dport):
            return None
        data = bytes(packet[UDP].payload)[: packet[UDP].len - 8]
        return None if len(data) < 8 or data[:4] == bytes(4) else data
    outer = packet[IP] if IP in packet else packet[IPv6] if IPv6 in packet else None
    if outer is None:
        return None
    if outer.version == 4:
        return bytes(outer.payload)[: outer.len - outer.ihl * 4] if outer.proto == 50 else None
    return bytes(outer.payload)[: outer.plen] if outer.nh == 50 else None


def check_outer(number, packet, sa, encap):
    outer = packet[IP] if IP in packet else packet[IPv6]
    if (outer.src, outer.dst) != (sa["src"], sa["dst"]):
        fail(number, packet, f"outer addresses {outer.src} {outer.dst}")
    if outer.version == 4:
        fresh = IP(bytes(outer)[: outer.ihl * 4])
        del fresh.chksum
        if IP(bytes(fresh)).chksum != outer.chksum:
            fail(number, packet, "outer header checksum")
        if outer.len > len(bytes(outer)):
            fail(number, packet, "outer length")
    if hops(outer) < 32:
        fail(number, packet, f"outer hop limit {hops(outer)}")
    if encap and sa["ours"]:
        # RFC 3948, section 2.1: zero over IPv4; over IPv6 RFC 8200 wants it unless RFC 6935 is chosen.
        if outer.version == 4 and packet[UDP].chksum != 0:
            fail(number, packet, "UDP checksum is not zero")


def check_trailer(number, packet, clear, inner):
    """Padding 1, 2, 3 …, alignment to four, next header (RFC 4303, sections 2.4 to 2.6)."""
    pad, next_header = clear[-2], clear[-1]
    if next_header != (4 if inner[0] >> 4 == 4 else 41):
        fail(number, packet, f"next header {next_header}")
    if len(clear) % 4:
        fail(number, packet, "trailer is not aligned")
    padding = clear[len(clear) - 2 - pad : len(clear) - 2]
    if padding != bytes(range(1, pad + 1)):
        fail(number, packet, f"padding {padding.hex()}")


def raw_decrypt(sa, data):
    """The plaintext with its trailer by the cryptography package alone, a second opinion on scapy's."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

    key = bytes.fromhex(sa["key"])
    cipher = ChaCha20Poly1305(key[:-4]) if sa["algorithm"].startswith("chacha") else AESGCM(key[:-4])
    header = data[:4] + bytes(4) + data[4:8] if sa["esn"] else data[:8]
    return cipher.decrypt(key[-4:] + data[8 : 8 + IV], data[8 + IV :], header)


def main():
    job = json.load(open(sys.argv[1]))
    inside = inner_packets(job["inside"])
    sas = {sa["spi"]: sa for sa in job["sas"]}
    counts = {spi: 0 for spi in sas}
    sequence, ivs = {spi: 0 for spi in sas}, {spi: set() for spi in sas}
    for number, packet in enumerate(rdpcap(job["wire"]), 1):
        data = esp_of(packet, job["encap"])
        if data is None:
            continue
        esp = ESP(data)
        sa = sas.get(esp.spi)
        if sa is None:
            fail(number, packet, f"SPI {esp.spi:#x} is not of a known SA")
        check_outer(number, packet, sa, job["encap"])
        if esp.seq != sequence[esp.spi] + 1:
            fail(number, packet, f"sequence number {esp.seq} after {sequence[esp.spi]}")
        sequence[esp.spi] = esp.seq
        iv = data[8 : 8 + IV]
        if iv in ivs[esp.spi]:
            fail(number, packet, f"IV {iv.hex()} used twice")
        ivs[esp.spi].add(iv)
        header = IP if ":" not in sa["src"] else IPv6
        tunnel = header(src=sa["src"], dst=sa["dst"])
        decoder = SecurityAssociation(
            ESP,
            spi=esp.spi,
            crypt_algo=NAMES[sa["algorithm"]],
            crypt_key=bytes.fromhex(sa["key"]),
            esn_en=sa["esn"],
            esn=0,
            tunnel_header=tunnel,
        )
        # UDP encapsulation was taken off above; the header is not part of what ESP authenticates.
        clear = bytes(decoder.decrypt(header(bytes(tunnel / ESP(data)))))
        whole = raw_decrypt(sa, data)
        inner = whole[: len(whole) - 2 - whole[-2]]
        if clear != inner:
            fail(number, packet, "scapy and the cipher alone disagree")
        check_trailer(number, packet, whole, inner)
        # Ours: the inside wire saw it one hop earlier. The peer's: one hop later.
        seen = [canonical(p, 1) for p in inside] if sa["ours"] else inside
        wanted = inner if sa["ours"] else canonical(inner, 1)
        if wanted not in seen:
            fail(number, packet, f"the inner packet {inner.hex()} was not on the inside wire")
        counts[esp.spi] += 1
    for spi, sa in sas.items():
        if counts[spi] < job["least"]:
            print(f"SPI {spi:#x} ({sa['algorithm']}): {counts[spi]} packets, fewer than {job['least']}")
            sys.exit(1)
    print(f"agreed {sum(counts.values())}")


main()

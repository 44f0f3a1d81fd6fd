"""Reads the ESP of one run off the capture of a wire and holds it against what the host's side of the crypto saw.

usage: esp.py JOB.json

The job names two captures, the SAs (SPI, key and salt in hex, addresses, mode, first
sequence number in 64 bits, whether it is an ESN) and pairs of addresses between which nothing may be in the clear.
Every ESP packet of an SA must decrypt with scapy and with the cipher alone, its sequence number must follow the one
before, its IV be fresh, its trailer be well formed, and what was in it must be what the host's side saw. The last line
says how many packets agreed; any disagreement ends the run with status 1.
"""

import json
import struct
import sys

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from scapy.all import ESP, IP, UDP, Ether, IPv6, SecurityAssociation

IV = 8
ICV = 16


def fail(number, packet, what):
    print(f"packet {number}: {what}")
    packet.show()
    sys.exit(1)


def frames(path):
    """The frames of a capture; its writer may be in the middle of one."""
    with open(path, "rb") as file:
        order = "<" if file.read(4) in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
        file.seek(24)
        while True:
            head = file.read(16)
            if len(head) < 16:
                return
            _, _, length, whole = struct.unpack(order + "IIII", head)
            data = file.read(length)
            if len(data) < length:
                return
            if length != whole:
                print(f"a frame of {whole} octets was cut to {length}")
                sys.exit(1)
            yield data


def ip_of(frame):
    """The IP packet in a frame, cut to its own length; Ethernet pads short ones."""
    packet = Ether(frame)
    if IP in packet:
        return packet[IP], bytes(packet[IP])[: packet[IP].len]
    if IPv6 in packet:
        return packet[IPv6], bytes(packet[IPv6])[: packet[IPv6].plen + 40]
    return None, b""


def key_of(octets):
    """What of a packet the crypto must leave as it was: all but the outer header's protocol, length and checksum."""
    if octets[0] >> 4 == 4:
        packet = IP(octets)
        return (packet.src, packet.dst, packet.proto, packet.id, packet.ttl, octets[packet.ihl * 4 :])
    packet = IPv6(octets)
    return (packet.src, packet.dst, packet.nh, packet.fl, packet.hlim, octets[40:])


def esp_of(octets):
    """The outer header's length and the octets from the SPI on."""
    if octets[0] >> 4 == 4:
        protocol, length = octets[9], (octets[0] & 15) * 4
    else:
        protocol, length = octets[6], 40
    if protocol == 17 and 4500 in struct.unpack(">HH", octets[length : length + 4]):
        return length, octets[length + 8 :]
    return (length, octets[length:]) if protocol == 50 else (length, None)


def check_outer(number, packet, octets, sa):
    if (packet.src, packet.dst) != (sa["src"], sa["dst"]):
        fail(number, packet, f"outer addresses {packet.src} {packet.dst}")
    if packet.version == 4:
        fresh = IP(octets[: packet.ihl * 4])
        del fresh.chksum
        if IP(bytes(fresh)).chksum != packet.chksum:
            fail(number, packet, "outer header checksum")


def inner_of(number, packet, octets, length, sa, plain):
    """The packet that was protected, from the plaintext with its trailer."""
    pad, protocol = plain[-2], plain[-1]
    if (len(plain)) % 4:
        fail(number, packet, "trailer is not aligned")
    if plain[len(plain) - 2 - pad : len(plain) - 2] != bytes(range(1, pad + 1)):
        fail(number, packet, "padding")
    payload = plain[: len(plain) - 2 - pad]
    if sa["mode"] == "tunnel":
        if protocol != (4 if payload[0] >> 4 == 4 else 41):
            fail(number, packet, f"next header {protocol}")
        return payload
    header = bytearray(octets[:length])
    if header[0] >> 4 == 4:
        header[9] = protocol
        header[2:4] = struct.pack(">H", length + len(payload))
    else:
        header[6] = protocol
        header[4:6] = struct.pack(">H", len(payload))
    return bytes(header) + payload


def main():
    job = json.load(open(sys.argv[1]))
    host = set()
    for frame in frames(job["host"]):
        _, octets = ip_of(frame)
        if octets and esp_of(octets)[1] is None:
            host.add(key_of(octets))
    sas = {sa["spi"]: dict(sa, next=sa["first"], ivs=set(), count=0) for sa in job["sas"]}
    clear = {tuple(pair) for pair in job["protected"]}
    for number, frame in enumerate(frames(job["wire"]), 1):
        packet, octets = ip_of(frame)
        if not octets:
            continue
        length, data = esp_of(octets)
        if data is None:
            # Neighbour discovery is not protected.
            discovery = packet.version == 6 and packet.nh == 58 and 133 <= octets[40] <= 137
            if (packet.src, packet.dst) in clear and not discovery:
                fail(number, packet, "in the clear")
            continue
        esp = ESP(data)
        sa = sas.get(esp.spi)
        if sa is None:
            fail(number, packet, f"SPI {esp.spi:#x} is not of a known SA")
        if sa["count"] >= job["most"]:
            continue
        check_outer(number, packet, octets, sa)
        sequence = sa["next"]
        if esp.seq != sequence & 0xFFFFFFFF:
            fail(number, packet, f"sequence number {esp.seq:#x}, not {sequence:#x}")
        sa["next"] += 1
        iv = data[8 : 8 + IV]
        if iv in sa["ivs"]:
            fail(number, packet, f"IV {iv.hex()} used twice")
        sa["ivs"].add(iv)
        key = bytes.fromhex(sa["key"])
        high = struct.pack(">I", sequence >> 32) if sa["esn"] else b""
        plain = AESGCM(key[:-4]).decrypt(key[-4:] + iv, data[8 + IV :], data[:4] + high + data[4:8])
        header = IP if packet.version == 4 else IPv6
        decoder = SecurityAssociation(
            ESP,
            spi=esp.spi,
            crypt_algo="AES-GCM",
            crypt_key=key,
            esn_en=sa["esn"],
            esn=sequence >> 32,
            tunnel_header=header(src=sa["src"], dst=sa["dst"]) if sa["mode"] == "tunnel" else None,
        )
        inner = inner_of(number, packet, octets, length, sa, plain)
        # UDP encapsulation was taken off; the header is no part of what ESP authenticates.
        bare = bytearray(octets[:length]) + data
        bare[9 if packet.version == 4 else 6] = 50
        opened = bytes(decoder.decrypt(header(bytes(bare))))
        if key_of(opened) != key_of(inner):
            fail(number, packet, "scapy and the cipher alone disagree")
        if key_of(inner) not in host:
            fail(number, IP(inner) if inner[0] >> 4 == 4 else IPv6(inner), "was not seen on the host's side")
        sa["count"] += 1
    for spi, sa in sas.items():
        if sa["count"] < job["least"]:
            print(f"SPI {spi:#x}: {sa['count']} packets, fewer than {job['least']}")
            sys.exit(1)
    print(f"agreed {sum(sa['count'] for sa in sas.values())}")


main()

"""Payloads of RESTORE made by hand: a type and a value under a right checksum."""

import struct


def make_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (0x95AC9329AC4BC9B5 if byte & 1 else 0)
        table.append(byte)
    return table


TABLE = make_table()


def crc64(data):
    """Jones, as at the end of RDB files."""
    crc = 0
    for byte in data:
        crc = TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc


def signed(body, version=10):
    body += struct.pack("<H", version)
    return body + struct.pack("<Q", crc64(body))

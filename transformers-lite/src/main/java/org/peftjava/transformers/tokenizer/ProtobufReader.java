package org.peftjava.transformers.tokenizer;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;

/**
 * Reads the fields of one protobuf message in the order in which they stand in the bytes.
 *
 * <p>Format: <a href="https://protobuf.dev/programming-guides/encoding/">protobuf.dev</a>. Nothing
 * is copied but what the caller asks for, and a length beyond the bytes is an error before anything
 * of that size is allocated.
 */
final class ProtobufReader {
  private static final int VARINT = 0;
  private static final int FIXED64 = 1;
  private static final int BYTES = 2;
  private static final int FIXED32 = 5;

  private final ByteBuffer data;
  private int field;
  private int wireType;

  ProtobufReader(ByteBuffer data) {
    this.data = data.slice().order(ByteOrder.LITTLE_ENDIAN);
  }

  /** Moves to the next field; false at the end. The caller then reads or skips its value. */
  boolean next() {
    if (!data.hasRemaining()) {
      return false;
    }
    long tag = varint();
    field = (int) (tag >>> 3);
    wireType = (int) (tag & 7);
    if (field <= 0 || tag >>> 32 != 0) {
      throw new IllegalArgumentException("a field has the number " + (tag >>> 3));
    }
    return true;
  }

  int field() {
    return field;
  }

  int readInt() {
    expect(VARINT);
    return (int) varint();
  }

  boolean readBoolean() {
    return readInt() != 0;
  }

  float readFloat() {
    expect(FIXED32);
    require(4);
    return data.getFloat();
  }

  /** A nested message or a byte string; shares the bytes. */
  ByteBuffer readBytes() {
    expect(BYTES);
    long length = varint();
    if (length < 0 || length > data.remaining()) {
      throw new IllegalArgumentException(
          "field "
              + field
              + " has "
              + Long.toUnsignedString(length)
              + " bytes, but only "
              + data.remaining()
              + " are left");
    }
    ByteBuffer value = data.slice(data.position(), (int) length);
    data.position(data.position() + (int) length);
    return value;
  }

  String readString() {
    try {
      return StandardCharsets.UTF_8.newDecoder().decode(readBytes()).toString();
    } catch (CharacterCodingException e) {
      throw new IllegalArgumentException("field " + field + " is not UTF-8 text", e);
    }
  }

  void skip() {
    switch (wireType) {
      case VARINT -> varint();
      case FIXED64 -> {
        require(8);
        data.position(data.position() + 8);
      }
      case BYTES -> readBytes();
      case FIXED32 -> {
        require(4);
        data.position(data.position() + 4);
      }
      default -> throw new IllegalArgumentException("field " + field + " has an unknown type");
    }
  }

  private void expect(int type) {
    if (wireType != type) {
      throw new IllegalArgumentException("field " + field + " has another type than it should");
    }
  }

  private void require(int bytes) {
    if (data.remaining() < bytes) {
      throw new IllegalArgumentException("it ends inside field " + field);
    }
  }

  private long varint() {
    long value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (!data.hasRemaining()) {
        throw new IllegalArgumentException("it ends inside a number");
      }
      byte part = data.get();
      value |= (part & 0x7fL) << shift;
      if (part >= 0) {
        return value;
      }
    }
    throw new IllegalArgumentException("a number has more than 10 bytes");
  }
}

package org.peftjava.transformers.checkpoint;

import java.util.Arrays;
import java.util.Locale;
import java.util.Map;

/** The operations of a pickle that are run, by their names in Python's {@code pickletools}. */
enum PickleOpcode {
  PROTO(0x80),
  FRAME(0x95),
  STOP('.'),
  MARK('('),
  NONE('N'),
  NEWTRUE(0x88),
  NEWFALSE(0x89),
  BININT('J'),
  BININT1('K'),
  BININT2('M'),
  LONG1(0x8a),
  BINFLOAT('G'),
  BINUNICODE('X'),
  SHORT_BINUNICODE(0x8c),
  BINUNICODE8(0x8d),
  EMPTY_TUPLE(')'),
  TUPLE1(0x85),
  TUPLE2(0x86),
  TUPLE3(0x87),
  TUPLE('t'),
  EMPTY_LIST(']'),
  APPEND('a'),
  APPENDS('e'),
  EMPTY_DICT('}'),
  SETITEM('s'),
  SETITEMS('u'),
  BINPUT('q'),
  LONG_BINPUT('r'),
  MEMOIZE(0x94),
  BINGET('h'),
  LONG_BINGET('j'),
  GLOBAL('c'),
  STACK_GLOBAL(0x93),
  BINPERSID('Q'),
  REDUCE('R'),
  BUILD('b');

  private static final Map<Integer, String> REFUSED =
      Map.ofEntries(
          Map.entry((int) '0', "POP"),
          Map.entry((int) '1', "POP_MARK"),
          Map.entry((int) '2', "DUP"),
          Map.entry((int) 'F', "FLOAT"),
          Map.entry((int) 'I', "INT"),
          Map.entry((int) 'L', "LONG"),
          Map.entry((int) 'P', "PERSID"),
          Map.entry((int) 'S', "STRING"),
          Map.entry((int) 'T', "BINSTRING"),
          Map.entry((int) 'U', "SHORT_BINSTRING"),
          Map.entry((int) 'V', "UNICODE"),
          Map.entry((int) 'B', "BINBYTES"),
          Map.entry((int) 'C', "SHORT_BINBYTES"),
          Map.entry((int) 'd', "DICT"),
          Map.entry((int) 'g', "GET"),
          Map.entry((int) 'i', "INST"),
          Map.entry((int) 'l', "LIST"),
          Map.entry((int) 'o', "OBJ"),
          Map.entry((int) 'p', "PUT"),
          Map.entry(0x81, "NEWOBJ"),
          Map.entry(0x82, "EXT1"),
          Map.entry(0x83, "EXT2"),
          Map.entry(0x84, "EXT4"),
          Map.entry(0x8b, "LONG4"),
          Map.entry(0x8e, "BINBYTES8"),
          Map.entry(0x8f, "EMPTY_SET"),
          Map.entry(0x90, "ADDITEMS"),
          Map.entry(0x91, "FROZENSET"),
          Map.entry(0x92, "NEWOBJ_EX"),
          Map.entry(0x96, "BYTEARRAY8"),
          Map.entry(0x97, "NEXT_BUFFER"),
          Map.entry(0x98, "READONLY_BUFFER"));

  private static final PickleOpcode[] BY_CODE = byCode();

  private final int code;

  PickleOpcode(int code) {
    this.code = code;
  }

  /** The operation of a byte; {@code in} says where it stood. */
  static PickleOpcode of(int code, PickleInput in) {
    PickleOpcode opcode = BY_CODE[code];
    if (opcode.code != code) {
      String name = REFUSED.getOrDefault(code, String.format(Locale.ROOT, "0x%02x", code));
      throw in.invalid("the operation " + name + ", which a dictionary of tensors does not need");
    }
    return opcode;
  }

  /** Codes without an operation have STOP, whose own code differs. */
  private static PickleOpcode[] byCode() {
    PickleOpcode[] table = new PickleOpcode[256];
    Arrays.fill(table, STOP);
    for (PickleOpcode opcode : values()) {
      table[opcode.code] = opcode;
    }
    return table;
  }
}

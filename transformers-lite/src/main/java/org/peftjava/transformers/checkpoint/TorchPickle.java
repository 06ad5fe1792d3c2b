package org.peftjava.transformers.checkpoint;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.zip.CRC32;
import org.jspecify.annotations.Nullable;
import org.peftjava.transformers.checkpoint.ZipDirectory.Entry;
import org.peftjava.transformers.config.InvalidFileException;

/**
 * The two forms of a file that {@code torch.save} writes: a zip file ({@code data.pkl}, {@code
 * data/<key>}; since torch 1.6), or several pickles with the storages after them.
 *
 * <p>Source: {@code torch/serialization.py}, {@code _save}, {@code _load}, {@code _legacy_load}.
 *
 * @param root what was saved
 * @param storages the place of each storage's bytes
 */
record TorchPickle(Object root, Map<String, Block> storages) {
  private static final String PICKLE = "data.pkl";
  private static final int CHUNK = 1 << 16;
  private static final long PROTOCOL_VERSION = 1001;

  /** {@code pickle.dumps(0x1950a86a20f9469cfc6c, protocol=2)}. */
  private static final byte[] MAGIC = {
    (byte) 0x80,
    2,
    (byte) 0x8a,
    10,
    0x6c,
    (byte) 0xfc,
    (byte) 0x9c,
    0x46,
    (byte) 0xf9,
    0x20,
    0x6a,
    (byte) 0xa8,
    0x50,
    0x19,
    '.'
  };

  /** Bytes of a file. */
  record Block(long begin, long length) {}

  /** Reads what was saved, without its tensors' elements. */
  static TorchPickle read(MappedFile file) {
    if (ZipDirectory.isZip(file)) {
      return zip(file);
    }
    int head = (int) Math.min(MAGIC.length, file.size());
    if (Arrays.equals(file.read(0, head), MAGIC)) {
      return legacy(file);
    }
    throw new InvalidFileException(
        file.file(),
        "was not written by torch.save: it begins neither as a zip file nor with torch's number."
            + " It may be a Git LFS pointer or an error page; fetch it again.");
  }

  private static TorchPickle zip(MappedFile file) {
    Map<String, Entry> entries = ZipDirectory.read(file);
    List<String> pickles =
        entries.keySet().stream()
            .filter(
                name -> name.endsWith("/" + PICKLE) && name.indexOf('/') == name.lastIndexOf('/'))
            .toList();
    if (pickles.size() != 1) {
      throw new InvalidFileException(
          file.file(),
          "is a zip file with "
              + pickles.size()
              + " entries <name>/data.pkl; torch.save writes one.");
    }
    String prefix = pickles.get(0).substring(0, pickles.get(0).length() - PICKLE.length());
    if (entries.containsKey(prefix + "constants.pkl")) {
      throw new InvalidFileException(
          file.file(),
          "is a TorchScript program. Save the weights instead: torch.save(model.state_dict(), f).");
    }
    checkByteOrder(file, entries.get(prefix + "byteorder"));
    Map<String, Block> storages = new HashMap<>();
    String data = prefix + "data/";
    entries.forEach(
        (name, entry) -> {
          if (name.startsWith(data)) {
            storages.put(name.substring(data.length()), new Block(entry.begin(), entry.length()));
          }
        });
    Entry pickle = Objects.requireNonNull(entries.get(pickles.get(0)));
    checkSum(file, pickle);
    return new TorchPickle(Unpickler.load(input(file, pickle.begin(), pickle.length())), storages);
  }

  private static void checkByteOrder(MappedFile file, @Nullable Entry entry) {
    if (entry == null) {
      return; // before torch 2.1: the machine's, and there is no other left
    }
    String order =
        new String(
            file.read(entry.begin(), (int) Math.min(entry.length(), 16)), StandardCharsets.UTF_8);
    if (!order.equals("little")) {
      throw new InvalidFileException(
          file.file(),
          "has the byte order \"" + order + "\"; expected little. Save it again on a PC.");
    }
  }

  /** The pickle says where everything else is, so a flipped bit in it must not go unnoticed. */
  private static void checkSum(MappedFile file, Entry pickle) {
    if (pickle.length() > Unpickler.MAX_BYTES) {
      throw new InvalidFileException(
          file.file(),
          "has a pickle of "
              + pickle.length()
              + " bytes; at most "
              + Unpickler.MAX_BYTES
              + " are read.");
    }
    CRC32 sum = new CRC32();
    for (long at = 0; at < pickle.length(); at += CHUNK) {
      sum.update(file.read(pickle.begin() + at, (int) Math.min(CHUNK, pickle.length() - at)));
    }
    if (sum.getValue() != pickle.crc()) {
      throw new InvalidFileException(
          file.file(), "has a pickle whose checksum is wrong: it is damaged; fetch it again.");
    }
  }

  private static TorchPickle legacy(MappedFile file) {
    PickleInput version = input(file, MAGIC.length, file.size() - MAGIC.length);
    if (!Unpickler.load(version).equals(PROTOCOL_VERSION)) {
      throw version.invalid("another version than " + PROTOCOL_VERSION);
    }
    PickleInput system = next(file, version);
    if (!(Unpickler.load(system) instanceof Map<?, ?> facts)
        || !Boolean.TRUE.equals(facts.get("little_endian"))) {
      throw system.invalid("no sign that it was written little-endian. Save it again on a PC");
    }
    PickleInput object = next(file, system);
    Object root = Unpickler.load(object);
    PickleInput list = next(file, object);
    if (!(Unpickler.load(list) instanceof List<?> keys)) {
      throw list.invalid("no list of storages");
    }
    return new TorchPickle(root, legacyStorages(file, root, keys, list.position()));
  }

  /** Each storage is its number of elements (8 bytes) and the elements. */
  private static Map<String, Block> legacyStorages(
      MappedFile file, Object root, List<?> keys, long begin) {
    Map<String, Integer> widths = new HashMap<>();
    TensorDictionary.tensors(file, root)
        .values()
        .forEach(t -> widths.put(t.storage().key(), t.storage().dtype().byteSize()));
    Map<String, Block> storages = new HashMap<>();
    long at = begin;
    for (Object key : keys) {
      Integer width = key instanceof String ? widths.get(key) : null;
      if (width == null) {
        throw new InvalidFileException(
            file.file(),
            "has a storage that belongs to none of the tensors that are read. Save it again with a"
                + " current torch.");
      }
      long numel = at <= file.size() - 8 ? input(file, at, 8).signed(8) : -1;
      if (numel < 0 || numel > (file.size() - at - 8) / width) {
        throw new InvalidFileException(
            file.file(), "has a storage \"" + key + "\" that is cut short. Fetch it again.");
      }
      storages.put((String) key, new Block(at + 8, numel * width));
      at += 8 + numel * width;
    }
    return storages;
  }

  private static PickleInput next(MappedFile file, PickleInput before) {
    return input(file, before.position(), file.size() - before.position());
  }

  private static PickleInput input(MappedFile file, long begin, long length) {
    return new PickleInput(file, begin, begin + Math.min(length, Unpickler.MAX_BYTES));
  }
}

package org.peftjava.transformers.checkpoint;

import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.peftjava.torch.DType;

/**
 * What a pickle may name: the functions and types that a dictionary of tensors needs, and nothing
 * else. A name is looked up here and never by reflection.
 *
 * @param name as in Python, with its module
 * @param kind what it does
 * @param dtype the element type of a storage or dtype; float32 for functions
 */
record PickleGlobal(String name, Kind kind, DType dtype) {
  /** What can be done with a global. */
  enum Kind {
    /** Called without arguments or with a list of pairs: a dictionary. */
    ORDERED_DICT,
    /** Called with a storage and how it is seen: a tensor. */
    REBUILD_TENSOR,
    /** Called with a tensor, which is the result. */
    REBUILD_PARAMETER,
    /** Called with a tuple, which is the result. */
    SIZE,
    /** Names the element type of a storage. */
    STORAGE,
    /** A value of its own. */
    DTYPE
  }

  private static final Map<String, PickleGlobal> ALLOWED = allowed();

  /** The global, if a pickle may name it. */
  static Optional<PickleGlobal> find(String module, String name) {
    return Optional.ofNullable(ALLOWED.get(module + "." + name));
  }

  private static Map<String, PickleGlobal> allowed() {
    Map<String, PickleGlobal> globals = new TreeMap<>();
    add(globals, "collections.OrderedDict", Kind.ORDERED_DICT, DType.FLOAT32);
    add(globals, "torch._utils._rebuild_tensor", Kind.REBUILD_TENSOR, DType.FLOAT32);
    add(globals, "torch._utils._rebuild_tensor_v2", Kind.REBUILD_TENSOR, DType.FLOAT32);
    add(globals, "torch._utils._rebuild_parameter", Kind.REBUILD_PARAMETER, DType.FLOAT32);
    add(globals, "torch.Size", Kind.SIZE, DType.FLOAT32);
    for (DType type : DType.values()) {
      add(globals, "torch." + type.pythonName(), Kind.DTYPE, type);
      add(globals, "torch." + storageName(type), Kind.STORAGE, type);
    }
    return globals;
  }

  private static void add(Map<String, PickleGlobal> globals, String name, Kind kind, DType dtype) {
    globals.put(name, new PickleGlobal(name, kind, dtype));
  }

  static String storageName(DType type) {
    return switch (type) {
      case FLOAT32 -> "FloatStorage";
      case FLOAT64 -> "DoubleStorage";
      case FLOAT16 -> "HalfStorage";
      case BFLOAT16 -> "BFloat16Storage";
      case INT64 -> "LongStorage";
      case INT32 -> "IntStorage";
      case INT16 -> "ShortStorage";
      case INT8 -> "CharStorage";
      case UINT8 -> "ByteStorage";
      case BOOL -> "BoolStorage";
    };
  }
}

package org.peftjava.transformers.checkpoint;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.peftjava.torch.Shape;
import org.peftjava.transformers.checkpoint.StoredTensor.Storage;

/**
 * Reads a pickle that holds tensors and containers, and can build nothing else.
 *
 * <p>A pickle is a program. Python's {@code pickle} lets it call any function by name; this machine
 * knows the functions of {@link PickleGlobal} and the operations of {@link PickleOpcode}, and stops
 * with an error that names the first other one. It is stricter than {@code
 * torch/_weights_only_unpickler.py}. Values: {@link String}, {@link Long}, {@link Double}, {@link
 * Boolean}, {@link #NONE}, {@link Tuple}, {@link List}, {@link Map}, {@link PickleGlobal}, {@link
 * Storage}, {@link StoredTensor}.
 *
 * <p>Nothing is recursive, nothing is allocated by a number that the pickle claims, and what it
 * builds is counted: nesting, references to itself and repeated references cost an attacker as many
 * bytes as they cost memory here, and end at the limits of {@link PickleStack}.
 */
final class Unpickler {
  /** Python's {@code None}. */
  static final Object NONE = new Object();

  /** Most bytes of a pickle; that of a model with 100,000 tensors has about half. */
  static final long MAX_BYTES = 32L << 20;

  private final PickleInput in;
  private final PickleStack stack;

  /** A Python tuple; compared by identity because it may be nested deeply. */
  static final class Tuple {
    private final List<Object> items;

    Tuple(List<Object> items) {
      this.items = items;
    }

    List<Object> items() {
      return items;
    }
  }

  private Unpickler(PickleInput in) {
    this.in = in;
    this.stack = new PickleStack(in);
  }

  /** The value of the pickle that begins here; the input then stands after its end. */
  static Object load(PickleInput in) {
    return new Unpickler(in).run();
  }

  private Object run() {
    while (true) {
      PickleOpcode opcode = PickleOpcode.of(in.next(), in);
      if (in.consumed() > MAX_BYTES) {
        throw in.invalid("more than " + MAX_BYTES + " bytes");
      }
      if (opcode == PickleOpcode.STOP) {
        return stack.pop();
      }
      step(opcode);
    }
  }

  private void step(PickleOpcode opcode) {
    switch (opcode) {
      case PROTO -> protocol(in.next());
      case FRAME -> in.length(); // only says how much to read at once
      case MARK -> stack.mark();
      case NONE -> stack.push(NONE);
      case NEWTRUE -> stack.push(true);
      case NEWFALSE -> stack.push(false);
      case BININT -> stack.push(in.signed(4));
      case BININT1 -> stack.push(in.unsigned(1));
      case BININT2 -> stack.push(in.unsigned(2));
      case LONG1 -> stack.push(longInteger(in.next()));
      case BINFLOAT -> stack.push(in.bigEndianDouble());
      case BINUNICODE -> stack.push(in.text(in.unsigned(4)));
      case SHORT_BINUNICODE -> stack.push(in.text(in.unsigned(1)));
      case BINUNICODE8 -> stack.push(in.text(in.length()));
      case EMPTY_TUPLE -> stack.push(new Tuple(List.of()));
      case TUPLE1 -> stack.push(new Tuple(stack.popLast(1)));
      case TUPLE2 -> stack.push(new Tuple(stack.popLast(2)));
      case TUPLE3 -> stack.push(new Tuple(stack.popLast(3)));
      case TUPLE -> stack.push(new Tuple(stack.popToMark()));
      case EMPTY_LIST -> stack.push(new ArrayList<>());
      case APPEND -> append(stack.popLast(1));
      case APPENDS -> append(stack.popToMark());
      case EMPTY_DICT -> stack.push(new LinkedHashMap<>());
      case SETITEM -> setItems(stack.popLast(2));
      case SETITEMS -> setItems(stack.popToMark());
      case BINPUT -> stack.remember(in.unsigned(1));
      case LONG_BINPUT -> stack.remember(in.unsigned(4));
      case MEMOIZE -> stack.rememberNext();
      case BINGET -> stack.recall(in.unsigned(1));
      case LONG_BINGET -> stack.recall(in.unsigned(4));
      case GLOBAL -> stack.push(global(in.line(), in.line()));
      case STACK_GLOBAL -> stackGlobal();
      case BINPERSID -> stack.push(storage(stack.pop()));
      case REDUCE -> reduce();
      case BUILD -> build();
      case STOP -> throw new IllegalStateException("handled by the caller");
    }
  }

  private void protocol(int version) {
    if (version < 2 || version > 5) {
      throw in.invalid("protocol " + version + "; 2 to 5 are known");
    }
  }

  private long longInteger(int bytes) {
    if (bytes > 8) {
      throw in.invalid("a whole number of " + bytes + " bytes; at most 8 are known");
    }
    return in.signed(bytes);
  }

  private PickleGlobal global(String module, String name) {
    return PickleGlobal.find(module, name)
        .orElseThrow(
            () ->
                in.invalid(
                    "the global \""
                        + shortened(module + "." + name)
                        + "\", which is no part of a dictionary of tensors and is not run"));
  }

  private void stackGlobal() {
    Object name = stack.pop();
    Object module = stack.pop();
    if (!(name instanceof String text) || !(module instanceof String place)) {
      throw in.invalid("a STACK_GLOBAL without two texts");
    }
    stack.push(global(place, text));
  }

  /** What {@code torch.serialization} gives as persistent id of a storage. */
  private Storage storage(Object id) {
    if (id instanceof Tuple tuple
        && tuple.items().size() >= 5
        && tuple.items().get(0).equals("storage")
        && tuple.items().get(1) instanceof PickleGlobal type
        && type.kind() == PickleGlobal.Kind.STORAGE
        && tuple.items().get(2) instanceof String key
        && tuple.items().get(3) instanceof String
        && tuple.items().get(4) instanceof Long numel) {
      if (tuple.items().size() > 6 || (tuple.items().size() == 6 && tuple.items().get(5) != NONE)) {
        throw in.invalid("a view of a storage, as torch 0.3 wrote it");
      }
      if (numel < 0 || numel > Long.MAX_VALUE / 8) {
        throw in.invalid("a storage of " + numel + " elements");
      }
      return new Storage(shortened(key), type.dtype(), numel);
    }
    throw in.invalid("a persistent id that is no storage");
  }

  private void reduce() {
    Object arguments = stack.pop();
    Object callable = stack.pop();
    if (!(callable instanceof PickleGlobal function) || !(arguments instanceof Tuple tuple)) {
      throw in.invalid("a call (REDUCE) of something that is no function");
    }
    List<Object> items = tuple.items();
    switch (function.kind()) {
      case ORDERED_DICT -> stack.push(dictionary(items));
      case REBUILD_TENSOR -> stack.push(tensor(items));
      case REBUILD_PARAMETER -> {
        if (items.isEmpty() || !(items.get(0) instanceof StoredTensor)) {
          throw in.invalid("a parameter without a tensor");
        }
        stack.push(items.get(0));
      }
      case SIZE -> {
        if (items.size() != 1 || !(items.get(0) instanceof Tuple)) {
          throw in.invalid("a torch.Size without a tuple");
        }
        stack.push(items.get(0));
      }
      default -> throw in.invalid("a call of " + function.name() + ", which is no function");
    }
  }

  /** Python 2 gave the entries as a list of pairs. */
  private Map<Object, Object> dictionary(List<Object> arguments) {
    Map<Object, Object> result = new LinkedHashMap<>();
    if (arguments.isEmpty()) {
      return result;
    }
    if (arguments.size() == 1 && arguments.get(0) instanceof List<?> pairs) {
      for (Object pair : pairs) {
        List<?> items = pair instanceof Tuple tuple ? tuple.items() : listOr(pair);
        if (items.size() != 2) {
          throw in.invalid("an OrderedDict with an entry that is no pair");
        }
        result.put(key(items.get(0)), items.get(1));
      }
      return result;
    }
    throw in.invalid("an OrderedDict with arguments that are no list");
  }

  private static List<?> listOr(Object value) {
    return value instanceof List<?> list ? list : List.of();
  }

  /** {@code (storage, offset, size, stride, ...)}; what follows concerns gradients. */
  private StoredTensor tensor(List<Object> items) {
    if (items.size() < 4
        || !(items.get(0) instanceof Storage storage)
        || !(items.get(1) instanceof Long offset)) {
      throw in.invalid("a tensor without storage, offset, size and stride");
    }
    List<Long> sizes = numbers(items.get(2));
    List<Long> strides = numbers(items.get(3));
    Optional<String> problem = StoredTensor.problem(storage, offset, sizes, strides);
    if (problem.isPresent()) {
      throw in.invalid("a tensor with " + problem.get());
    }
    long[] shape = sizes.stream().mapToLong(Long::longValue).toArray();
    return new StoredTensor(storage, offset, Shape.of(shape), strides);
  }

  private List<Long> numbers(Object value) {
    List<Long> numbers = new ArrayList<>();
    if (value instanceof Tuple tuple && tuple.items().size() <= 64) {
      for (Object item : tuple.items()) {
        if (item instanceof Long number) {
          numbers.add(number);
        }
      }
      if (numbers.size() == tuple.items().size()) {
        return numbers;
      }
    }
    throw in.invalid("a tensor whose size or stride is no tuple of at most 64 whole numbers");
  }

  /** Attributes of a dictionary (torch keeps {@code _metadata} there) are not kept. */
  private void build() {
    stack.pop();
    if (!(stack.top() instanceof Map)) {
      throw in.invalid("a BUILD of something that is no dictionary");
    }
  }

  @SuppressWarnings("unchecked")
  private void append(List<Object> items) {
    if (!(stack.top() instanceof List<?> list)) {
      throw in.invalid("an APPEND to something that is no list");
    }
    ((List<Object>) list).addAll(items);
    stack.count(items.size());
  }

  @SuppressWarnings("unchecked")
  private void setItems(List<Object> items) {
    if (!(stack.top() instanceof Map<?, ?> map) || items.size() % 2 != 0) {
      throw in.invalid("a SETITEM without a dictionary or a pair");
    }
    for (int i = 0; i < items.size(); i += 2) {
      ((Map<Object, Object>) map).put(key(items.get(i)), items.get(i + 1));
    }
    stack.count(items.size());
  }

  private Object key(Object value) {
    if (value instanceof String || value instanceof Long || value instanceof Boolean) {
      return value;
    }
    throw in.invalid("a dictionary with a key that is neither text nor a whole number");
  }

  private static String shortened(String text) {
    return text.length() <= 100 ? text : text.substring(0, 100) + "...";
  }

  /** What a value is called in errors. */
  static String kind(Object value) {
    if (value instanceof List) {
      return "a list";
    } else if (value instanceof Tuple) {
      return "a tuple";
    } else if (value instanceof StoredTensor) {
      return "one tensor";
    }
    return value == NONE ? "None" : "a " + value.getClass().getSimpleName();
  }
}

package org.peftjava.torch;

/**
 * Where a tensor lives: the CPU or one CUDA card.
 *
 * @param type "cpu", "cuda" or "meta"
 * @param index the card's number; 0 for the CPU
 */
public record Device(String type, int index) {
  /** The CPU. */
  public static final Device CPU = new Device("cpu", 0);

  /** Checks the type. */
  public Device {
    if (!type.equals("cpu") && !type.equals("cuda") && !type.equals("meta")) {
      throw new IllegalArgumentException(
          "Unknown device type '" + type + "'. Expected cpu or cuda.");
    }
    int highest = type.equals("cuda") ? 127 : 0;
    if (index < 0 || index > highest) {
      throw new IllegalArgumentException(
          "Device index must be 0 to " + highest + " for " + type + ", got " + index + ".");
    }
  }

  /** The CUDA card with this number. */
  public static Device cuda(int index) {
    return new Device("cuda", index);
  }

  /** Reads "cpu", "cuda" or "cuda:1". */
  public static Device parse(String name) {
    int colon = name.indexOf(':');
    if (colon < 0) {
      return new Device(name, 0);
    }
    try {
      return new Device(name.substring(0, colon), Integer.parseInt(name.substring(colon + 1)));
    } catch (NumberFormatException e) {
      throw new IllegalArgumentException(
          "Cannot read device '" + name + "'. Expected cpu, cuda or cuda:<number>.", e);
    }
  }

  /** Whether this is a CUDA card. */
  public boolean isCuda() {
    return type.equals("cuda");
  }

  @Override
  public String toString() {
    return isCuda() ? "cuda:" + index : type;
  }
}

package org.peftjava.peft.cli;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import picocli.CommandLine;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/**
 * Reads the words of an enum as they are written in Python: in lower case, but any case will do.
 */
final class Words<E extends Enum<E>> implements ITypeConverter<E> {
  private final Class<E> type;

  private Words(Class<E> type) {
    this.type = type;
  }

  /** Has a command line read options of this type so. */
  static <E extends Enum<E>> void register(CommandLine line, Class<E> type) {
    line.registerConverter(type, new Words<>(type));
  }

  @Override
  public E convert(String word) {
    List<String> words =
        Arrays.stream(type.getEnumConstants())
            .map(constant -> constant.name().toLowerCase(Locale.ROOT))
            .toList();
    int index = words.indexOf(word.toLowerCase(Locale.ROOT));
    if (index < 0) {
      throw new TypeConversionException("expected one of " + words + " but was '" + word + "'");
    }
    return type.getEnumConstants()[index];
  }
}

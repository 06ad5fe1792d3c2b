package org.peftjava.transformers.checkpoint;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.peftjava.torch.DType;
import org.peftjava.torch.Shape;
import org.peftjava.transformers.config.InvalidFileException;

/**
 * The checked header of a safetensors file: what lies where.
 *
 * <p>The rules are those of the reference reader (safetensors {@code tensor.rs}): tensors cover the
 * data without gaps or overlaps, and each has exactly the bytes of its shape and type. Reading
 * treats the text as hostile: nothing is allocated by a number that it claims.
 *
 * @param entries name to place, in the order of the data
 * @param metadata the texts under {@code __metadata__}
 */
record SafetensorsHeader(Map<String, Entry> entries, Map<String, String> metadata) {
  static final String METADATA = "__metadata__";
  private static final int MAX_RANK = 64; // libtorch's operators take no more
  private static final JsonFactory JSON = new JsonFactory();

  /**
   * Where a tensor lies.
   *
   * @param begin first byte, counted from the end of the header
   * @param end byte after the last
   */
  record Entry(DType dtype, Shape shape, long begin, long end) {}

  /**
   * Checks a header.
   *
   * @param text the bytes between the length field and the data
   * @param dataBytes bytes of the file after the header
   */
  static SafetensorsHeader parse(Path file, byte[] text, long dataBytes) {
    return new Reader(file).read(text, dataBytes);
  }

  /** Holds the file's name for error messages while it reads. */
  private static final class Reader {
    private final Path file;

    Reader(Path file) {
      this.file = file;
    }

    SafetensorsHeader read(byte[] bytes, long dataBytes) {
      Map<String, Entry> entries = new LinkedHashMap<>();
      Map<String, String> metadata = Map.of();
      boolean hasMetadata = false;
      try (JsonParser json = JSON.createParser(decode(bytes))) {
        require(json.nextToken() == JsonToken.START_OBJECT, "its header is not a JSON object");
        while (json.nextToken() == JsonToken.FIELD_NAME) {
          String name = json.currentName();
          json.nextToken();
          if (name.equals(METADATA)) {
            require(!hasMetadata, "its header has " + METADATA + " twice");
            hasMetadata = true;
            metadata = metadata(json);
          } else if (entries.put(name, entry(name, json)) != null) {
            throw invalid("its header names the tensor \"" + name + "\" twice");
          }
        }
        require(json.nextToken() == null, "text follows the JSON object of its header");
      } catch (JsonProcessingException e) {
        throw new InvalidFileException(
            file, "its header is not valid JSON: " + e.getOriginalMessage() + ".", e);
      } catch (IOException e) {
        throw new IllegalStateException("reading a string cannot fail", e);
      }
      return new SafetensorsHeader(inOrderOfData(entries, dataBytes), metadata);
    }

    private String decode(byte[] bytes) {
      try {
        return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
      } catch (CharacterCodingException e) {
        throw new InvalidFileException(file, "its header is not UTF-8 text.", e);
      }
    }

    private Map<String, String> metadata(JsonParser json) throws IOException {
      require(json.currentToken() == JsonToken.START_OBJECT, METADATA + " is not a JSON object");
      Map<String, String> result = new LinkedHashMap<>();
      while (json.nextToken() == JsonToken.FIELD_NAME) {
        String key = json.currentName();
        require(
            json.nextToken() == JsonToken.VALUE_STRING,
            METADATA + " has a value for \"" + key + "\" that is not a string");
        result.put(key, json.getText());
      }
      return Collections.unmodifiableMap(result);
    }

    private Entry entry(String name, JsonParser json) throws IOException {
      String tensor = "tensor \"" + name + "\" ";
      require(json.currentToken() == JsonToken.START_OBJECT, tensor + "is not a JSON object");
      DType dtype = null;
      Shape shape = null;
      long[] offsets = null;
      while (json.nextToken() == JsonToken.FIELD_NAME) {
        String key = json.currentName();
        json.nextToken();
        switch (key) {
          case "dtype" -> {
            require(dtype == null, tensor + "has two dtypes");
            dtype = dtype(tensor, json);
          }
          case "shape" -> {
            require(shape == null, tensor + "has two shapes");
            shape = Shape.of(numbers(tensor + "has a shape that", MAX_RANK, json));
          }
          case "data_offsets" -> {
            require(offsets == null, tensor + "has two data_offsets");
            offsets = numbers(tensor + "has data_offsets that", 2, json);
          }
          default -> throw invalid(tensor + "has the unknown field \"" + key + "\"");
        }
      }
      return check(tensor, dtype, shape, offsets);
    }

    private DType dtype(String tensor, JsonParser json) throws IOException {
      require(
          json.currentToken() == JsonToken.VALUE_STRING, tensor + "has a dtype that is no text");
      try {
        return DType.ofSafetensors(json.getText());
      } catch (IllegalArgumentException e) {
        throw new InvalidFileException(file, tensor + "cannot be read: " + e.getMessage(), e);
      }
    }

    private long[] numbers(String subject, int most, JsonParser json) throws IOException {
      require(json.currentToken() == JsonToken.START_ARRAY, subject + " is not a list");
      List<Long> values = new ArrayList<>();
      while (json.nextToken() != JsonToken.END_ARRAY) {
        boolean isLong =
            json.currentToken() == JsonToken.VALUE_NUMBER_INT
                && json.getNumberType() != JsonParser.NumberType.BIG_INTEGER;
        if (!isLong || json.getLongValue() < 0) {
          throw invalid(
              subject
                  + " contains "
                  + shortened(json.getText())
                  + "; expected whole numbers from 0 to 2^63 - 1");
        }
        values.add(json.getLongValue());
        require(values.size() <= most, subject + " has more than " + most + " numbers");
      }
      return values.stream().mapToLong(Long::longValue).toArray();
    }

    private Entry check(
        String tensor, @Nullable DType dtype, @Nullable Shape shape, long @Nullable [] offsets) {
      if (dtype == null || shape == null || offsets == null) {
        throw invalid(tensor + "needs dtype, shape and data_offsets");
      }
      require(
          offsets.length == 2,
          tensor + "has " + offsets.length + " data_offsets; expected [begin, end]");
      long begin = offsets[0];
      long end = offsets[1];
      require(begin <= end, tensor + "begins at byte " + begin + " but ends at byte " + end);
      long bytes = byteSize(tensor, dtype, shape);
      require(
          bytes == end - begin,
          tensor
              + "needs "
              + bytes
              + " bytes for shape "
              + shape
              + " of "
              + dtype
              + ", but its data_offsets ["
              + begin
              + ", "
              + end
              + "] hold "
              + (end - begin));
      return new Entry(dtype, shape, begin, end);
    }

    private long byteSize(String tensor, DType dtype, Shape shape) {
      try {
        // Strides multiply sizes as if none were 0, so that product must fit too.
        long strides = dtype.byteSize();
        for (long size : shape.toArray()) {
          strides = Math.multiplyExact(strides, Math.max(size, 1));
        }
        return shape.numel() * dtype.byteSize();
      } catch (ArithmeticException e) {
        throw new InvalidFileException(
            file, tensor + "has shape " + shape + ", which no memory can hold.", e);
      }
    }

    private Map<String, Entry> inOrderOfData(Map<String, Entry> entries, long dataBytes) {
      List<Map.Entry<String, Entry>> sorted = new ArrayList<>(entries.entrySet());
      sorted.sort(
          Comparator.comparingLong((Map.Entry<String, Entry> e) -> e.getValue().begin())
              .thenComparingLong(e -> e.getValue().end()));
      Map<String, Entry> result = new LinkedHashMap<>();
      long covered = 0;
      for (Map.Entry<String, Entry> item : sorted) {
        Entry entry = item.getValue();
        String tensor = "tensor \"" + item.getKey() + "\" ";
        require(
            entry.begin() >= covered,
            tensor
                + "begins at byte "
                + entry.begin()
                + ", inside the tensor before it, which ends at byte "
                + covered);
        require(
            entry.begin() == covered,
            tensor
                + "begins at byte "
                + entry.begin()
                + ", but the data before it ends at byte "
                + covered);
        require(
            entry.end() <= dataBytes,
            tensor
                + "ends at byte "
                + entry.end()
                + ", but the file has only "
                + dataBytes
                + " bytes of data; it was cut short");
        covered = entry.end();
        result.put(item.getKey(), entry);
      }
      require(
          covered == dataBytes,
          "its tensors end at byte " + covered + ", but it has " + dataBytes + " bytes of data");
      return Collections.unmodifiableMap(result);
    }

    private void require(boolean condition, String otherwise) {
      if (!condition) {
        throw invalid(otherwise);
      }
    }

    private InvalidFileException invalid(String problem) {
      return new InvalidFileException(
          file, problem + ". The file is damaged or is not safetensors: fetch or write it again.");
    }

    private static String shortened(String text) {
      return text.length() <= 40 ? text : text.substring(0, 40) + "...";
    }
  }
}

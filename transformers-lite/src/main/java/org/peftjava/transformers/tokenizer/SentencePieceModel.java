package org.peftjava.transformers.tokenizer;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.peftjava.transformers.config.InvalidFileException;

/**
 * A SentencePiece model file ({@code spiece.model}, {@code tokenizer.model}).
 *
 * <p>Format: {@code ModelProto} of <a
 * href="https://github.com/google/sentencepiece/blob/master/src/sentencepiece_model.proto">sentencepiece_model.proto</a>;
 * of its messages only the fields that transformers uses.
 *
 * @param pieces the vocabulary; the place is the id
 * @param type how text is cut
 * @param byteFallback unknown characters become byte pieces such as {@code <0x0A>}
 * @param unkId the id of the unknown piece
 * @param special the texts of the unknown, begin and end pieces by role, if the model has them
 * @param precompiledCharsmap normalization table of the library; empty for none
 */
record SentencePieceModel(
    List<Piece> pieces,
    Type type,
    boolean byteFallback,
    int unkId,
    Map<String, String> special,
    byte[] precompiledCharsmap) {
  private static final long MAX_BYTES = 64L << 20;
  private static final int MAX_PIECE = 512; // chars; the longest of real models have 16 to 48
  private static final int CONTROL = 3;
  private static final int USER_DEFINED = 4;

  /** How a model cuts text. */
  enum Type {
    UNIGRAM,
    BPE,
    OTHER
  }

  /**
   * One entry of the vocabulary.
   *
   * @param isControl a token such as {@code </s>} that no text contains
   * @param isUserDefined a text that is always one token
   */
  record Piece(String text, float score, boolean isControl, boolean isUserDefined) {}

  static SentencePieceModel read(Path file) {
    try {
      long size = Files.size(file);
      if (size > MAX_BYTES) {
        throw new InvalidFileException(
            file, "has " + size + " bytes; a SentencePiece model has at most " + MAX_BYTES + ".");
      }
      return parse(Files.readAllBytes(file), file);
    } catch (IOException e) {
      throw new UncheckedIOException("Cannot read " + file + ": " + e.getMessage() + ".", e);
    }
  }

  private static SentencePieceModel parse(byte[] bytes, Path file) {
    Fields fields = new Fields();
    try {
      ProtobufReader reader = new ProtobufReader(ByteBuffer.wrap(bytes));
      while (reader.next()) {
        switch (reader.field()) {
          case 1 -> fields.pieces.add(piece(new ProtobufReader(reader.readBytes())));
          case 2 -> fields.trainer(new ProtobufReader(reader.readBytes()));
          case 3 -> fields.normalizer(new ProtobufReader(reader.readBytes()));
          default -> reader.skip();
        }
      }
    } catch (IllegalArgumentException e) {
      throw new InvalidFileException(
          file, "is not a SentencePiece model: " + e.getMessage() + ".", e);
    }
    return fields.checked(file);
  }

  private static Piece piece(ProtobufReader reader) {
    String text = "";
    float score = 0;
    int type = 1;
    while (reader.next()) {
      switch (reader.field()) {
        case 1 -> text = reader.readString();
        case 2 -> score = reader.readFloat();
        case 3 -> type = reader.readInt();
        default -> reader.skip();
      }
    }
    return new Piece(text, score, type == CONTROL, type == USER_DEFINED);
  }

  /** What the file said so far, beginning with the defaults of the format. */
  private static final class Fields {
    private final List<Piece> pieces = new ArrayList<>();
    private int type = 1;
    private boolean byteFallback;
    private final Map<String, Integer> ids =
        new HashMap<>(Map.of("unk_token", 0, "bos_token", 1, "eos_token", 2));
    private final Map<String, String> texts =
        new HashMap<>(Map.of("unk_token", "<unk>", "bos_token", "<s>", "eos_token", "</s>"));
    private byte[] charsmap = {};

    void trainer(ProtobufReader reader) {
      while (reader.next()) {
        switch (reader.field()) {
          case 3 -> type = reader.readInt();
          case 35 -> byteFallback = reader.readBoolean();
          case 40 -> ids.put("unk_token", reader.readInt());
          case 41 -> ids.put("bos_token", reader.readInt());
          case 42 -> ids.put("eos_token", reader.readInt());
          case 45 -> texts.put("unk_token", reader.readString());
          case 46 -> texts.put("bos_token", reader.readString());
          case 47 -> texts.put("eos_token", reader.readString());
          default -> reader.skip();
        }
      }
    }

    void normalizer(ProtobufReader reader) {
      while (reader.next()) {
        if (reader.field() == 2) {
          ByteBuffer bytes = reader.readBytes();
          charsmap = new byte[bytes.remaining()];
          bytes.get(charsmap);
        } else {
          reader.skip();
        }
      }
    }

    SentencePieceModel checked(Path file) {
      if (pieces.isEmpty()) {
        throw new InvalidFileException(file, "is not a SentencePiece model: it has no pieces.");
      }
      for (int id = 0; id < pieces.size(); id++) {
        Piece piece = pieces.get(id);
        if (piece.text().isEmpty() || piece.text().length() > MAX_PIECE) {
          throw new InvalidFileException(
              file,
              "has a piece of "
                  + piece.text().length()
                  + " characters (id "
                  + id
                  + "); expected 1 to "
                  + MAX_PIECE
                  + ".");
        }
        if (Float.isNaN(piece.score())) {
          throw new InvalidFileException(file, "has no number as the score of piece " + id + ".");
        }
      }
      Map<String, String> special = new HashMap<>(texts);
      special.keySet().removeIf(role -> ids.getOrDefault(role, -1) < 0);
      return new SentencePieceModel(
          List.copyOf(pieces),
          type == 1 ? Type.UNIGRAM : type == 2 ? Type.BPE : Type.OTHER,
          byteFallback,
          ids.getOrDefault("unk_token", 0),
          Map.copyOf(special),
          charsmap);
    }
  }
}

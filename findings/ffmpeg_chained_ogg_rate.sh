#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# FFmpeg 7.0.2 and 8.1.2: chained Ogg Vorbis whose second link has another sample rate: wrong lengths, then a refusal.
#
# Behaviour: two recordings of 3 s, one at 48,000 Hz and one at 16,000 Hz, are joined byte by byte, which Ogg allows by
# design. Both versions state a length of 1.00 s (48,000 first) or 9.00 s (16,000 first): the last page counts samples of
# its own link, and is divided by the rate of the first. 7.0.2 then decodes both links all the same. 8.1.2 gives the first
# link and then the error "not yet implemented" in place of the second.
# Why nobody would guess it: the newer version reads less than the older one, of a file that is valid; the error comes in
# the middle of reading packets, where a loop that takes any error for the end of the file says nothing at all. Joined
# recordings of one rate are read to the end (their stated length is that of one link).
# What it means for a reader: do not trust the length of an Ogg file (1.00 s of 6 s is no bound for a buffer), tell the
# end of a file from an error, and join recordings only after bringing them to one rate.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install imageio-ffmpeg==0.6.0 av==18.1.0
ffmpeg() { "$(venv/bin/python -c 'import imageio_ffmpeg as f; print(f.get_ffmpeg_exe())')" -hide_banner -nostdin "$@"; }

for rate in 48000 16000; do
  ffmpeg -v error -f lavfi -i sine=frequency=440:sample_rate=$rate:duration=3 -c:a libvorbis $rate.ogg
done
cat 48000.ogg 48000.ogg >48000+48000.ogg
cat 48000.ogg 16000.ogg >48000+16000.ogg
cat 16000.ogg 48000.ogg >16000+48000.ogg

echo "ffmpeg $(ffmpeg -version | sed -n '1s/.*version \([^ ]*\).*/\1/p'):"
for name in 48000+48000 48000+16000 16000+48000; do
  ffmpeg -v fatal -i $name.ogg -ac 1 -ar 16000 -f s16le $name.raw
  echo "$name: stated $(ffmpeg -i $name.ogg 2>&1 | grep -o '[0-9:.]*, start' | cut -d, -f1)," \
    "decoded $(($(stat -c %s $name.raw) / 3200)) tenths of a second"
done | tee seen
venv/bin/python - <<'PY' | tee -a seen
import av

print(f"FFmpeg {av.ffmpeg_version_info}:")
for name in ("48000+48000", "48000+16000", "16000+48000"):
    seconds, end = 0, "the end of the file"
    with av.open(name + ".ogg") as sound:
        stated = sound.duration / 1e6
        try:
            for frame in sound.decode(audio=0):
                seconds += frame.samples / frame.sample_rate
        except av.FFmpegError as error:
            end = error.strerror
    print(f"{name}: stated {stated:.2f} s, decoded {seconds:.2f} s, then {end}")
PY
grep -q '^48000+16000: stated 00:00:01.00, decoded 60' seen && grep -q '^16000+48000: stated 00:00:09.00' seen &&
  grep -q '^48000+16000: stated 1.00 s, decoded 3.00 s, then Not yet' seen &&
  grep -q '^48000+48000: .* then the end of the file' seen ||
  { echo "changed: chained Ogg Vorbis with a change of rate is read in another way"; exit 1; }

# Output seen:
#   ffmpeg 7.0.2-static:
#   48000+48000: stated 00:00:03.00, decoded 60 tenths of a second
#   48000+16000: stated 00:00:01.00, decoded 60 tenths of a second
#   16000+48000: stated 00:00:09.00, decoded 60 tenths of a second
#   FFmpeg 8.1.2:
#   48000+48000: stated 3.00 s, decoded 6.01 s, then the end of the file
#   48000+16000: stated 1.00 s, decoded 3.00 s, then Not yet implemented in FFmpeg, patches welcome
#   16000+48000: stated 9.00 s, decoded 3.00 s, then Not yet implemented in FFmpeg, patches welcome

#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# FFmpeg 7.0.2 and 8.1.2: a telephone recording in plain A-law that begins with silence is opened as GSM 06.10.
#
# Behaviour: digital silence in A-law is the byte 0xD5 over and over. FFmpeg's recogniser of GSM looks for a high nibble
# of 0xD every 33 bytes and finds it everywhere. It is sure enough (51) to win against the file's ending (50), so that
# `call.al`, whose ending FFmpeg knows to be A-law, becomes GSM: no error, 4 seconds turn into 19.4, and all is noise.
# Three tenths of a second of silence is enough. (That the same file read as A-law is too short is another matter: FFmpeg takes
# 44,100 samples a second for A-law unless told otherwise.)
# Why nobody would guess it: the same file without the silence in front is read rightly, and with an ending that names
# the format nobody expects the content to be asked; a headerless format has no content to be recognised by.
# What it means for a reader: name the input format of headerless samples yourself (`-f alaw`), or do not believe a
# recogniser's answer that is only one above what a file's ending is worth.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
python3 -m venv venv
venv/bin/pip -q --disable-pip-version-check install imageio-ffmpeg==0.6.0 av==18.1.0
ffmpeg() { "$(venv/bin/python -c 'import imageio_ffmpeg as f; print(f.get_ffmpeg_exe())')" -hide_banner -nostdin "$@"; }

tone="sine=frequency=300:sample_rate=8000:duration=4"
ffmpeg -v error -f lavfi -i "$tone" -f alaw tone.al
ffmpeg -v error -f lavfi -i "$tone,volume=enable='lt(t,0.3)':volume=0" -f alaw silence_then_tone.al

echo "ffmpeg $(ffmpeg -version | sed -n '1s/.*version \([^ ]*\).*/\1/p'):"
{ ffmpeg -i tone.al 2>&1 || true; ffmpeg -i silence_then_tone.al 2>&1 || true; } | grep -E 'Input|Duration' | tee seen
venv/bin/python - <<'PY' | tee -a seen
import av
print(f"FFmpeg {av.ffmpeg_version_info}:")
for name in ("tone.al", "silence_then_tone.al"):
    with av.open(name) as sound:
        print(f"{name}: {sound.format.name}, {sound.duration / 1e6:.2f} s")
PY
grep -q "gsm, from 'silence_then_tone.al'" seen && grep -q "alaw, from 'tone.al'" seen &&
  grep -q '^tone.al: alaw' seen && grep -q '^silence_then_tone.al: gsm' seen ||
  { echo "changed: silence in A-law is no longer taken for GSM, or A-law no longer known by its ending"; exit 1; }

# Output seen:
#   ffmpeg 7.0.2-static:
#   Input #0, alaw, from 'tone.al':
#     Duration: 00:00:00.73, bitrate: 352 kb/s
#   Input #0, gsm, from 'silence_then_tone.al':
#     Duration: 00:00:19.40, start: 0.000000, bitrate: 13 kb/s
#   FFmpeg 8.1.2:
#   tone.al: alaw, 0.73 s
#   silence_then_tone.al: gsm, 19.40 s

#!/usr/bin/env bash
# Makes the seeds of the corpus anew, with ffmpeg 5.1, LAME 3.100, flac 1.4 and vorbis-tools 1.4.
# What a fuzzer finds goes beside them, under the name that it gives (40 hexadecimal digits).
set -euo pipefail
shopt -s nullglob
OUT=$(cd "$(dirname "$0")" && pwd)/corpus/inspect
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
cd "$WORK"

sound() { # rate channels seconds file [more of ffmpeg]
	local expr="0.4*sin(440*2*PI*t)+0.05*(random(0)-0.5)" all="" n
	for ((n = 0; n < $2; n++)); do all+="|$expr"; done
	ffmpeg -hide_banner -loglevel error -y -f lavfi -i "aevalsrc=${all#|}:s=$1:d=$3" \
		-map_metadata -1 -fflags +bitexact -flags:a +bitexact "${@:5}" "$4"
}
T=(-metadata title=Harbour -metadata artist=Tides -metadata album=Quay -metadata track=3 -metadata date=2019)

# WAV
sound 8000 1 0.15 u8.wav -c:a pcm_u8
sound 8000 2 0.15 s16.wav -c:a pcm_s16le "${T[@]}"
sound 11025 1 0.15 s24.wav -c:a pcm_s24le
sound 11025 1 0.15 s32.wav -c:a pcm_s32le
sound 11025 1 0.15 f32.wav -c:a pcm_f32le
sound 8000 6 0.11 six.wav -c:a pcm_s16le -channel_layout 5.1
sound 44100 2 0.3 cd.wav -c:a pcm_s16le
sound 44100 1 0.3 mono.wav -c:a pcm_s16le
sound 22050 1 0.3 low.wav -c:a pcm_s16le
sound 11025 1 0.3 lowest.wav -c:a pcm_s16le

# MP3: lame names no time and no machine.
lame() { command lame --quiet "$@"; }
lame -b 64 cd.wav cbr.mp3
lame -b 48 -m m mono.wav mono.mp3
lame -V 7 cd.wav vbr.mp3
lame --abr 56 -t cd.wav abr-bare.mp3
lame -b 32 low.wav mpeg2.mp3
lame -b 16 lowest.wav mpeg25.mp3
lame --freeformat -b 72 mono.wav free.mp3
lame -b 64 -p -m s cd.wav crc.mp3
lame -b 48 -m m --id3v1-only --tt Harbour --ta Tides --tn 3 --ty 2019 mono.wav id3v1.mp3
lame -b 48 -m m --id3v2-only --tt Harbour --ta Tides --tn 3 --ty 2019 mono.wav id3v2.mp3
lame -b 48 -m m --add-id3v2 --id3v2-utf16 --tt Häfen --ta Tides mono.wav id3-both.mp3

# FLAC, Ogg Vorbis, M4A
sound 8000 1 0.3 s16.flac -c:a flac -sample_fmt s16 "${T[@]}"
sound 8000 2 0.2 s24.flac -c:a flac -sample_fmt s32 -bits_per_raw_sample 24
flac --silent -0 --no-padding -b 192 -o fixed.flac lowest.wav
flac --silent -8 -l 12 -o padded.flac lowest.wav
oggenc -Q -q -1 -s 1 -o mono.ogg mono.wav
oggenc -Q -q -1 -s 2 -t Harbour -a Tides -o stereo.ogg cd.wav
oggenc -Q -q 0 -s 3 -o low.ogg lowest.wav
sound 44100 1 0.3 mono.m4a -c:a aac -b:a 32k
sound 44100 2 0.3 stereo.m4a -c:a aac -b:a 64k -movflags +faststart "${T[@]}"
sound 16000 1 0.3 fragmented.m4a -c:a aac -b:a 24k -movflags +frag_keyframe+empty_moov
sound 8000 1 0.2 alac.m4a -c:a alac
sound 48000 1 0.2 opus.ogg -c:a libopus -b:a 16k
rm cd.wav mono.wav low.wav lowest.wav

be32() { printf "\\x$(printf %02x $(($1 >> 24 & 255)))\\x$(printf %02x $(($1 >> 16 & 255)))\\x$(printf %02x $(($1 >> 8 & 255)))\\x$(printf %02x $(($1 & 255)))"; }
le32() { be32 $(($1 & 255)) | tail -c 1; be32 $(($1 >> 8 & 255)) | tail -c 1; be32 $(($1 >> 16 & 255)) | tail -c 1; be32 $(($1 >> 24 & 255)) | tail -c 1; }
put() { # file offset: standard input over what is there
	dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}
ape() { # an APEv2 tag with one item, with its header if $1 is one
	local item=$'Title' value=Harbour bytes
	bytes=$((8 + ${#item} + 1 + ${#value} + 32))
	frame() { printf APETAGEX; le32 2000; le32 "${2:-$bytes}"; le32 1; le32 "$1"; printf '\0\0\0\0\0\0\0\0'; }
	if [ "$1" = 1 ]; then frame $((0xA0000000)) "${2:-}"; fi
	le32 ${#value}; le32 0; printf '%s\0%s' "$item" "$value"
	frame $((0x80000000 * $1)) "${2:-}"
}
id3() { # a tag that says it has $1 bytes, at most 127
	printf 'ID3\x04\0\0\0\0\0'; be32 "$1" | tail -c 1
}
{ cat mono.mp3; ape 1; } >ape.mp3
{ cat mono.mp3; ape 0; tail -c 128 id3v1.mp3; } >ape-id3v1.mp3

# Nested and repeated tags
{ id3 20; id3 10; head -c 10 /dev/zero; cat mono.mp3; } >nested-id3.mp3
{ for _ in 1 2 3 4 5 6 7 8 9 10; do id3 0; done; cat mono.mp3; } >ten-id3.mp3
{ cat mono.mp3; for _ in 1 2 3; do ape 1; tail -c 128 id3v1.mp3; done; } >tags-behind.mp3
{ head -c 1200 mono.mp3; id3 20; head -c 20 /dev/zero; ape 1; tail -c +1201 mono.mp3; } >tags-within.mp3
for kind in u8.wav s16.flac mono.ogg mono.m4a; do
	{ id3 10; head -c 10 /dev/zero; cat $kind; } >"id3-before-${kind/./-}"
done

# Lengths that are huge
{ printf 'ID3\x04\0\0\x7f\x7f\x7f\x7f'; cat mono.mp3; } >huge-id3.mp3
{ cat mono.mp3; ape 1 $((0xFFFFFFF0)); } >huge-ape.mp3
cp u8.wav huge.wav; le32 $((0xFFFFFFF0)) | put huge.wav 40
cp u8.wav huge-fmt.wav; le32 $((0xFFFFFFFF)) | put huge-fmt.wav 16
cp s16.flac huge.flac; printf '\x7f\xff\xff' | put huge.flac 43
cp s16.flac huge-count.flac; printf '\xff\xff\xff\xff' | put huge-count.flac 22
cp stereo.m4a huge-stsz.m4a
for box in stsz stsc stco moov mdhd; do
	at=$(grep -abo $box stereo.m4a | sed -n "1s/:.*//p")
	cp stereo.m4a huge-$box.m4a
	case $box in
	stsz) be32 $((0xFFFFFFFF)) | put huge-$box.m4a $((at + 12)) ;;
	stsc | stco) be32 $((0xFFFFFFFF)) | put huge-$box.m4a $((at + 8)) ;;
	moov) be32 $((0x7FFFFFFF)) | put huge-$box.m4a $((at - 4)) ;;
	mdhd) be32 $((0xFFFFFFFF)) | put huge-$box.m4a $((at + 20)) ;;
	esac
done

# Cut at every tenth, and flipped
for kind in mono.mp3 u8.wav s16.flac mono.ogg mono.m4a; do
	size=$(stat -c %s $kind)
	for n in 1 2 3 4 5 6 7 8 9; do
		head -c $((size * n / 10)) $kind >"cut-$n-${kind/./-}"
	done
	for n in 1 2 3 4 5; do
		copy=flipped-$n-${kind/./-}
		cp $kind "$copy"
		at=$(((n * 7919 + 31) % (n < 4 ? 400 : size)))
		byte=$(od -An -tu1 -j $at -N 1 $kind)
		be32 $((byte ^ 1 << n)) | tail -c 1 | put "$copy" $at
	done
done

# No songs
: >empty
head -c 2000 /dev/zero >zeros
printf 'This is a text that somebody has called song.mp3.\n' >text.mp3
printf '<!doctype html><title>song</title>' >page.mp3
{ id3 5; printf 'hello'; } >tag-only.mp3
{ id3 5; printf 'helloThis is a text behind a tag.\n'; } >text-behind-tag.mp3
printf '\x89PNG\r\n\x1a\n' >image.mp3

find . -type f -size +19k -printf 'too large: %f\n' | grep . && exit 1
find "$OUT" -type f ! -regex '.*/[0-9a-f]+' -delete
cp ./* "$OUT"

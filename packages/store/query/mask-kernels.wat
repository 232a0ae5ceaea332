;; The kernels of scans that only count and add: a mask has a byte a row, 255 where the row is chosen and 0 where not.
;; `mask-kernels.ts` says what each does, and has the same in JavaScript; `packages/dev/build-kernels.ts` makes the bytes from this.
;;
;; 16 rows at a time. `within` goes over whole sixteens: what lies behind the last row is 0 in the mask and stays so.
;; A block has at most 65,536 rows, so that sums of 8 and 16 bits a row fit 32.
(module
  (memory (export "memory") 6)

  ;; Clears the rows whose number is not within low … high.
  (func (export "within8") (param $data i32) (param $mask i32) (param $end i32) (param $low i32) (param $high i32)
    (local $lows v128) (local $highs v128) (local $values v128)
    (local.set $lows (i8x16.splat (local.get $low)))
    (local.set $highs (i8x16.splat (local.get $high)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $mask) (local.get $end)))
        (v128.store (local.get $mask)
          (v128.and (v128.load (local.get $mask))
          (v128.and
              (i8x16.ge_u (local.tee $values (v128.load offset=0 (local.get $data))) (local.get $lows))
              (i8x16.le_u (local.get $values) (local.get $highs)))))
        (local.set $data (i32.add (local.get $data) (i32.const 16)))
        (local.set $mask (i32.add (local.get $mask) (i32.const 16)))
        (br $next))))

  ;; Clears the rows whose number is not within low … high.
  (func (export "within16") (param $data i32) (param $mask i32) (param $end i32) (param $low i32) (param $high i32)
    (local $lows v128) (local $highs v128) (local $values v128)
    (local.set $lows (i16x8.splat (local.get $low)))
    (local.set $highs (i16x8.splat (local.get $high)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $mask) (local.get $end)))
        (v128.store (local.get $mask)
          (v128.and (v128.load (local.get $mask))
          (i8x16.narrow_i16x8_s
            (v128.and
              (i16x8.ge_u (local.tee $values (v128.load offset=0 (local.get $data))) (local.get $lows))
              (i16x8.le_u (local.get $values) (local.get $highs)))
            (v128.and
              (i16x8.ge_u (local.tee $values (v128.load offset=16 (local.get $data))) (local.get $lows))
              (i16x8.le_u (local.get $values) (local.get $highs))))))
        (local.set $data (i32.add (local.get $data) (i32.const 32)))
        (local.set $mask (i32.add (local.get $mask) (i32.const 16)))
        (br $next))))

  ;; Clears the rows whose number is not within low … high.
  (func (export "within32") (param $data i32) (param $mask i32) (param $end i32) (param $low i32) (param $high i32)
    (local $lows v128) (local $highs v128) (local $values v128)
    (local.set $lows (i32x4.splat (local.get $low)))
    (local.set $highs (i32x4.splat (local.get $high)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $mask) (local.get $end)))
        (v128.store (local.get $mask)
          (v128.and (v128.load (local.get $mask))
          (i8x16.narrow_i16x8_s
            (i16x8.narrow_i32x4_s
            (v128.and
              (i32x4.ge_s (local.tee $values (v128.load offset=0 (local.get $data))) (local.get $lows))
              (i32x4.le_s (local.get $values) (local.get $highs)))
            (v128.and
              (i32x4.ge_s (local.tee $values (v128.load offset=16 (local.get $data))) (local.get $lows))
              (i32x4.le_s (local.get $values) (local.get $highs))))
            (i16x8.narrow_i32x4_s
            (v128.and
              (i32x4.ge_s (local.tee $values (v128.load offset=32 (local.get $data))) (local.get $lows))
              (i32x4.le_s (local.get $values) (local.get $highs)))
            (v128.and
              (i32x4.ge_s (local.tee $values (v128.load offset=48 (local.get $data))) (local.get $lows))
              (i32x4.le_s (local.get $values) (local.get $highs)))))))
        (local.set $data (i32.add (local.get $data) (i32.const 64)))
        (local.set $mask (i32.add (local.get $mask) (i32.const 16)))
        (br $next))))

  ;; Clears the rows whose bit is not set, the lowest bit of a byte first.
  (func (export "bits") (param $bits i32) (param $mask i32) (param $end i32)
    (local $each v128)
    (local.set $each (v128.const i8x16 1 2 4 8 16 32 64 -128 1 2 4 8 16 32 64 -128))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $mask) (local.get $end)))
        (v128.store (local.get $mask)
          (v128.and (v128.load (local.get $mask))
            (i8x16.eq (local.get $each)
              (v128.and (local.get $each)
                (i8x16.shuffle 0 0 0 0 0 0 0 0 1 1 1 1 1 1 1 1
                  (v128.load16_splat (local.get $bits)) (v128.const i64x2 0 0))))))
        (local.set $bits (i32.add (local.get $bits) (i32.const 2)))
        (local.set $mask (i32.add (local.get $mask) (i32.const 16)))
        (br $next))))

  ;; How many rows are chosen from `mask` to `end`.
  (func (export "count") (param $mask i32) (param $end i32) (result i32)
    (local $total i32)
    (block $done
      (loop $next
        (br_if $done (i32.gt_u (i32.add (local.get $mask) (i32.const 16)) (local.get $end)))
        (local.set $total (i32.add (local.get $total)
          (i32.popcnt (i8x16.bitmask (v128.load (local.get $mask))))))
        (local.set $mask (i32.add (local.get $mask) (i32.const 16)))
        (br $next)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $mask) (local.get $end)))
        (local.set $total (i32.add (local.get $total) (i32.and (i32.load8_u (local.get $mask)) (i32.const 1))))
        (local.set $mask (i32.add (local.get $mask) (i32.const 1)))
        (br $next)))
    (local.get $total))

  ;; The sum of the chosen rows from `mask` to `end`.
  (func (export "sum8") (param $data i32) (param $mask i32) (param $end i32) (result f64)
    (local $sums v128) (local $chosen v128) (local $total i64)
    (block $done
      (loop $next
        (br_if $done (i32.gt_u (i32.add (local.get $mask) (i32.const 16)) (local.get $end)))
        (local.set $chosen (v128.load (local.get $mask)))
        (local.set $sums (i32x4.add (local.get $sums)
          (i32x4.extadd_pairwise_i16x8_u (i16x8.extadd_pairwise_i8x16_u
            (v128.and (v128.load (local.get $data)) (local.get $chosen))))))
        (local.set $data (i32.add (local.get $data) (i32.const 16)))
        (local.set $mask (i32.add (local.get $mask) (i32.const 16)))
        (br $next)))
    (local.set $total (i64.add
        (i64.add (i64.extend_i32_u (i32x4.extract_lane 0 (local.get $sums))) (i64.extend_i32_u (i32x4.extract_lane 1 (local.get $sums))))
        (i64.add (i64.extend_i32_u (i32x4.extract_lane 2 (local.get $sums))) (i64.extend_i32_u (i32x4.extract_lane 3 (local.get $sums))))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $mask) (local.get $end)))
        (local.set $total (i64.add (local.get $total)
          (i64.extend_i32_u (i32.and (i32.load8_u (local.get $data)) (i32.load8_s (local.get $mask))))))
        (local.set $data (i32.add (local.get $data) (i32.const 1)))
        (local.set $mask (i32.add (local.get $mask) (i32.const 1)))
        (br $next)))
    (f64.convert_i64_u (local.get $total)))

  ;; The sum of the chosen rows from `mask` to `end`.
  (func (export "sum16") (param $data i32) (param $mask i32) (param $end i32) (result f64)
    (local $sums v128) (local $chosen v128) (local $total i64)
    (block $done
      (loop $next
        (br_if $done (i32.gt_u (i32.add (local.get $mask) (i32.const 16)) (local.get $end)))
        (local.set $chosen (v128.load (local.get $mask)))
        (local.set $sums (i32x4.add (local.get $sums)
          (i32x4.add
            (i32x4.extadd_pairwise_i16x8_u
              (v128.and (v128.load (local.get $data)) (i16x8.extend_low_i8x16_s (local.get $chosen))))
            (i32x4.extadd_pairwise_i16x8_u
              (v128.and (v128.load offset=16 (local.get $data)) (i16x8.extend_high_i8x16_s (local.get $chosen)))))))
        (local.set $data (i32.add (local.get $data) (i32.const 32)))
        (local.set $mask (i32.add (local.get $mask) (i32.const 16)))
        (br $next)))
    (local.set $total (i64.add
        (i64.add (i64.extend_i32_u (i32x4.extract_lane 0 (local.get $sums))) (i64.extend_i32_u (i32x4.extract_lane 1 (local.get $sums))))
        (i64.add (i64.extend_i32_u (i32x4.extract_lane 2 (local.get $sums))) (i64.extend_i32_u (i32x4.extract_lane 3 (local.get $sums))))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $mask) (local.get $end)))
        (local.set $total (i64.add (local.get $total)
          (i64.extend_i32_u (i32.and (i32.load16_u (local.get $data)) (i32.load8_s (local.get $mask))))))
        (local.set $data (i32.add (local.get $data) (i32.const 2)))
        (local.set $mask (i32.add (local.get $mask) (i32.const 1)))
        (br $next)))
    (f64.convert_i64_u (local.get $total)))

  ;; The sum of the chosen rows from `mask` to `end`.
  (func (export "sum32") (param $data i32) (param $mask i32) (param $end i32) (result f64)
    (local $sums v128) (local $chosen v128) (local $total i64) (local $four v128)
    (block $done
      (loop $next
        (br_if $done (i32.gt_u (i32.add (local.get $mask) (i32.const 16)) (local.get $end)))
        (local.set $chosen (v128.load (local.get $mask)))
        (local.set $four (v128.and (v128.load offset=0 (local.get $data))
          (i32x4.extend_low_i16x8_s (i16x8.extend_low_i8x16_s (local.get $chosen)))))
        (local.set $sums (i64x2.add (local.get $sums)
          (i64x2.add (i64x2.extend_low_i32x4_s (local.get $four)) (i64x2.extend_high_i32x4_s (local.get $four)))))
        (local.set $four (v128.and (v128.load offset=16 (local.get $data))
          (i32x4.extend_high_i16x8_s (i16x8.extend_low_i8x16_s (local.get $chosen)))))
        (local.set $sums (i64x2.add (local.get $sums)
          (i64x2.add (i64x2.extend_low_i32x4_s (local.get $four)) (i64x2.extend_high_i32x4_s (local.get $four)))))
        (local.set $four (v128.and (v128.load offset=32 (local.get $data))
          (i32x4.extend_low_i16x8_s (i16x8.extend_high_i8x16_s (local.get $chosen)))))
        (local.set $sums (i64x2.add (local.get $sums)
          (i64x2.add (i64x2.extend_low_i32x4_s (local.get $four)) (i64x2.extend_high_i32x4_s (local.get $four)))))
        (local.set $four (v128.and (v128.load offset=48 (local.get $data))
          (i32x4.extend_high_i16x8_s (i16x8.extend_high_i8x16_s (local.get $chosen)))))
        (local.set $sums (i64x2.add (local.get $sums)
          (i64x2.add (i64x2.extend_low_i32x4_s (local.get $four)) (i64x2.extend_high_i32x4_s (local.get $four)))))
        (local.set $data (i32.add (local.get $data) (i32.const 64)))
        (local.set $mask (i32.add (local.get $mask) (i32.const 16)))
        (br $next)))
    (local.set $total (i64.add (i64x2.extract_lane 0 (local.get $sums)) (i64x2.extract_lane 1 (local.get $sums))))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $mask) (local.get $end)))
        (local.set $total (i64.add (local.get $total)
          (i64.extend_i32_s (i32.and (i32.load (local.get $data)) (i32.load8_s (local.get $mask))))))
        (local.set $data (i32.add (local.get $data) (i32.const 4)))
        (local.set $mask (i32.add (local.get $mask) (i32.const 1)))
        (br $next)))
    (f64.convert_i64_s (local.get $total)))
)
